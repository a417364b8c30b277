"""Rows of a select whose objects belong to a session of the user's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import Session, scoped_session

from rq_steps.sources.protocol import PagedSource, Source
from rq_steps.sources.select_bind import left_as_found, session_of
from rq_steps.sources.select_items import SelectItems
from rq_steps.sources.transparent import Transparent


class AttachedRows(Transparent, Source[Any]):
    """Item by item, with its objects in the session.

    A commit or rollback of the user's expires the others of the page; others are dropped from
    the session: each is read anew when its turn comes, if it is still there. The session itself
    refers to unchanged objects weakly, so that they do not pile up.

    Args:
        items: what tells the objects in an item.
    """

    _source: PagedSource[Any]

    def __init__(
        self,
        source: PagedSource[Any],
        bind: Session | scoped_session[Any],
        items: SelectItems,
    ) -> None:
        super().__init__(source)
        self._bind = bind
        self._items = items

    def open(self, cursor: Any) -> Iterator[tuple[Any, Any]]:
        for page in self._source.pages(cursor):
            for done, item in enumerate(page.items, 1):
                found = list(map(self._current, self._items.objects_in(item)))
                if None not in found:
                    yield self._items.with_objects(item, found), page.cursor(done)

    def _current(self, item: Any) -> Any:
        """The object as the session has it now, if its row is still there. It may have
        been dropped from it, and another one loaded in its place."""
        state, session = inspect(item), session_of(self._bind)
        current = session.identity_map.get(state.key, item)
        found = inspect(current)
        if current in session and (found.modified or not found.expired):
            return current
        if state.deleted or state.was_deleted:
            return None
        with left_as_found(session):
            return session.get(state.mapper, state.identity, populate_existing=True)

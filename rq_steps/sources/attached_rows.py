"""Rows of a select whose objects belong to a session of the user's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import Session

from rq_steps.sources.protocol import PagedSource, Source
from rq_steps.sources.select_bind import left_as_found
from rq_steps.sources.transparent import Transparent


class AttachedRows(Transparent, Source[Any]):
    """Item by item, with its objects in the session.

    A commit or rollback of the user's expires the others of the page, and he may drop them from
    the session: each is read anew when its turn comes, if it is still there. The session itself
    refers to unchanged objects weakly, so that they do not pile up.

    Args:
        objects_in: what gives the objects in an item.
    """

    _source: PagedSource[Any]

    def __init__(
        self,
        source: PagedSource[Any],
        session: Session,
        objects_in: Callable[[Any], list[Any]],
    ) -> None:
        super().__init__(source)
        self._session = session
        self._objects_in = objects_in

    def open(self, cursor: Any) -> Iterator[tuple[Any, Any]]:
        for page in self._source.pages(cursor):
            for done, item in enumerate(page.items, 1):
                if all(map(self._is_there, self._objects_in(item))):
                    yield item, page.cursor(done)

    def _is_there(self, item: Any) -> bool:
        state = inspect(item)
        if item in self._session and not state.expired:
            return True
        if state.deleted or state.was_deleted:
            return False
        with left_as_found(self._session):
            self._session.add(item)
            found = self._session.get(state.mapper, state.identity, populate_existing=True)
            return found is not None

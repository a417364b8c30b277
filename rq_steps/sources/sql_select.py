"""A `select` of SQLAlchemy, of columns or of mapped classes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, scoped_session

from rq_steps.sources.attached_rows import AttachedRows
from rq_steps.sources.keyset import Key, KeysetSource, Values
from rq_steps.sources.protocol import Source
from rq_steps.sources.select_bind import is_mysql, opener, session_of
from rq_steps.sources.select_items import SelectItems
from rq_steps.sources.select_key import SelectKey
from rq_steps.sources.select_mistaken import (
    collections_refused,
    refuse_clauses,
    refuse_no_select,
)
from rq_steps.sources.select_tables import full_name


def select_source(statement: Any, bind: Any, key: Any, page: int, *, count: bool) -> Source[Any]:
    """The rows of a select."""
    refuse_no_select(statement)
    items = SelectItems(statement)
    source = SelectSource(statement, items, bind, key, page, count=count)
    if isinstance(bind, Session | scoped_session) and items.have_objects:
        return AttachedRows(source, bind, items)
    return source


class SelectSource(KeysetSource):
    """The rows of a select. Objects are detached, unless the session is the user's."""

    kind = "select"

    def __init__(
        self,
        statement: Select[Any],
        items: SelectItems,
        bind: Any,
        key: Any,
        page: int,
        *,
        count: bool,
    ) -> None:
        refuse_clauses(statement)
        self._open = opener(bind, by_orm=items.need_session)
        self._bind = bind
        self._by = SelectKey(statement, key)
        super().__init__(self._by.named, page, count=count)
        self._given = statement
        with_key, self._parted = items.with_key(self._by)
        self._first = with_key.order_by(*self._by.order).limit(self._limit)
        self._behind = [self._first.where(each) for each in self._by.behind]

    def _begin(self) -> None:
        self._refuse_null()

    def _end(self) -> None:
        self._refuse_null()

    def _refuse_null(self) -> None:
        """No row that has one would ever be behind another."""
        for column in self._by.doubtful:
            statement = self._first.where(column.is_(None)).limit(1)
            with self._open() as opened, collections_refused():
                if opened.execute(statement).first() is not None:
                    raise self._has_null(full_name(column))

    def _read(self, after: Key | None) -> tuple[Sequence[Any], list[Values]]:
        statements = [self._first] if after is None else self._behind
        bound = self._by.bound(after or ())
        options = {"populate_existing": self._may_refresh()}
        with self._open() as opened, collections_refused():
            self._by.refuse_enums(partial(is_mysql, opened, self._first))
            return self._joined(
                self._parted(opened.execute(statement, bound, execution_options=options))
                for statement in statements
            )

    def _may_refresh(self) -> bool:
        """Objects that a session has already would stay as they were. Outside of a transaction no
        change of the user's can be waiting in them."""
        is_session = isinstance(self._bind, Session | scoped_session)
        return is_session and not session_of(self._bind).in_transaction()

    def _count(self) -> int:
        statement = select(func.count()).select_from(self._given.subquery())
        with self._open() as opened:
            counted: int = opened.execute(statement).scalar_one()
            return counted

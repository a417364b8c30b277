"""Rows of a database, a page at a time: each page begins behind the key of the row before it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain, pairwise
from typing import Any, NamedTuple, TypeAlias, TypeVar
from uuid import UUID

from rq_steps.errors import InvalidStepError
from rq_steps.sources.protocol import PagedSource
from rq_steps.values import JSON

Condition = TypeVar("Condition")
Key: TypeAlias = tuple[Any, ...]

PAGE = 500
"""Rows, where the user does not say."""

# Whose value and order are the same here, in the record and in the database. A float's are not.
_EXACT = frozenset(
    {bool, int, str, bytes, date, datetime, time, timedelta, Decimal, UUID, memoryview}
)


class Column(NamedTuple):
    """A column of the key."""

    name: str
    descending: bool

    def __str__(self) -> str:
        return f"-{self.name}" if self.descending else self.name


def behind(tests: Sequence[tuple[Condition, Condition]], both: Any, either: Any) -> Condition:
    """The condition for the rows behind a key, in SQL that every database understands.

    Args:
        tests: of each column, whether its value is behind the key's, and whether it is there or at
            it. The latter, outside of all, is what an index of several columns is entered by.
        both: joins two conditions by AND.
        either: joins two by OR.
    """
    strictly, or_at = tests[0]
    if len(tests) == 1:
        return strictly
    further: Condition = both(or_at, either(strictly, behind(tests[1:], both, either)))
    return further


class KeyedPage:
    """Rows, the key of each, and the cursor that the page was read with."""

    def __init__(self, items: Sequence[Any], keys: Sequence[Key], begin: Any) -> None:
        self.items = items
        self._keys = keys
        self._begin = begin

    def cursor(self, done: int) -> Any:
        return list(self._keys[done - 1]) if done else self._begin


class KeysetSource(PagedSource[Any]):
    """Rows in the order of a key.

    A cursor is the key of the last row that is done, as a list. The contract is the columns of the
    key, each with a "-" before it where it descends. Between two pages nothing is held open.
    """

    def __init__(self, columns: Sequence[Column], page: int, *, count: bool) -> None:
        if type(page) is not int or page < 1:
            raise ValueError(f"page must be a number of rows, 1 or more, found {page!r}")
        self._columns = tuple(columns)
        self._page = page
        self._counts = count
        self._counted: int | None = None

    @property
    def contract(self) -> JSON:
        return [str(column) for column in self._columns]

    @property
    def total(self) -> int | None:
        if self._counts and self._counted is None:
            self._counted = self._count()
        return self._counted

    @property
    def unit(self) -> str:
        return "rows"

    def pages(self, cursor: Any) -> Iterator[KeyedPage]:
        after = None if cursor is None else self._key(cursor)
        self._begin()
        while True:
            # One more than is handed out: it tells whether there are more, and whether the last
            # one's key is its own.
            items, keys = self._read(after, self._page + 1)
            keys = self._checked(keys)
            is_last = len(items) <= self._page
            yield KeyedPage(items[: self._page], keys[: self._page], cursor)
            if is_last:
                break
            after = keys[self._page - 1]
            cursor = list(after)
        self._end()

    @abstractmethod
    def _read(self, after: Key | None, limit: int) -> tuple[Sequence[Any], list[Key]]:
        """So many rows behind this key, and the key of each. None: from the first one on."""

    @abstractmethod
    def _count(self) -> int:
        """How many rows there are."""

    def _begin(self) -> None:
        """Before the first page is read."""

    def _end(self) -> None:
        """After the last one was handed out."""

    def _key(self, cursor: Any) -> Key:
        if not isinstance(cursor, list | tuple) or len(cursor) != len(self._columns):
            raise InvalidStepError(
                f"{self.kind}: a cursor is a list with a value for each of {self._names}, "
                f"found {cursor!r}"
            )
        return self._checked([tuple(cursor)])[0]

    def _checked(self, keys: list[Key]) -> list[Key]:
        """Refuse keys that the next page could not begin behind."""
        found = set(map(type, chain.from_iterable(keys)))
        if not found <= _EXACT:
            self._refuse_values(keys)
        if memoryview in found:
            keys = [tuple(map(_carried, key)) for key in keys]
        for key, following in pairwise(keys):
            if key == following:
                raise self._not_unique(key)
        return keys

    def _refuse_values(self, keys: list[Key]) -> None:
        for value, column in (
            (value, column)
            for key in keys
            for value, column in zip(key, self._columns, strict=True)
            if type(value) not in _EXACT
        ):
            if value is None:
                raise self._has_null(column.name)
            why = "is not exact" if isinstance(value, float) else "is nothing that a cursor holds"
            raise InvalidStepError(
                f"{self.kind}: {column.name} cannot be of the key, since {value!r} of type "
                f"{type(value).__name__} {why}"
            )

    def _not_unique(self, key: Key) -> InvalidStepError:
        return InvalidStepError(
            f"{self.kind}: two rows have the key {list(key)!r}, and one of them could be skipped: "
            f"{self._names} must be unique, add columns until it is"
        )

    def _has_null(self, name: str) -> InvalidStepError:
        return InvalidStepError(
            f"{self.kind}: {name} is NULL in some row, which is before and behind no other: "
            "take a column that is not, or leave these rows out"
        )

    @property
    def _names(self) -> str:
        return ", ".join(column.name for column in self._columns)


def named(key: str | Sequence[str]) -> list[Column]:
    """Columns by their names: "-" before one is for descending.

    Raises:
        ValueError: none, or one of them twice.
    """
    names = [key] if isinstance(key, str) else list(key)
    columns = [Column(name.removeprefix("-"), name.startswith("-")) for name in names]
    return distinct(columns)


def distinct(columns: list[Column]) -> list[Column]:
    """The columns, if there are any, and none of them twice."""
    if not columns or len({column.name for column in columns}) < len(columns):
        found = ", ".join(map(str, columns)) or "none"
        raise ValueError(f"key must be one or more columns, each of them once, found {found}")
    return columns


def _carried(value: Any) -> Any:
    return bytes(value) if type(value) is memoryview else value

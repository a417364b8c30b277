"""Rows of a database, a page at a time: each page begins behind the key of the row before it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import reduce
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias, TypeVar
from uuid import UUID

from rq_steps.errors import InvalidStepError
from rq_steps.sources.page import ListPage
from rq_steps.sources.protocol import PagedSource
from rq_steps.values import JSON

Condition = TypeVar("Condition")
Key: TypeAlias = tuple[Any, ...]
Values: TypeAlias = list[Any]

PAGE = 500
"""Rows, where the user does not say."""

# Whose value and order are the same here, in the record and in the database. A float's are not.
_BUFFERS = frozenset({bytearray, memoryview})
"""In which some drivers give bytes."""
_EXACT = _BUFFERS | {bool, int, str, bytes, date, datetime, time, timedelta, Decimal, UUID}


class Column(NamedTuple):
    """A column of the key."""

    name: str
    descending: bool

    def __str__(self) -> str:
        return f"-{self.name}" if self.descending else self.name


def behind(tests: Sequence[tuple[Condition, Condition]], both: Any) -> list[Condition]:
    """The conditions for the rows behind a key, in the order in which these come: those that share
    all values of the key but the last, those that share all but the last two, and so on.

    Each is a range of an index over the key, which databases find at once in whatever directions
    its columns go. That is not so of one condition for all, or of a comparison of tuples.

    MySQL and MariaDB may look up what is equal, and walk from there to the place: where
    `by_ranges` tells, a value that is shared has to be given to them from itself to itself.

    Args:
        tests: of each column, whether its value is behind the key's, and whether it is the key's.
        both: joins two conditions by AND.
    """
    conditions = []
    for place in reversed(range(len(tests))):
        shared = [is_the_keys for _, is_the_keys in tests[:place]]
        conditions.append(reduce(both, [*shared, tests[place][0]]))
    return conditions


def by_ranges(columns: Sequence[Column]) -> bool:
    """Is such a range in the order of an index? Where the directions are mixed, it is only if the
    shared values are known to be one."""
    return len({column.descending for column in columns}) == 1


class KeyedPage(ListPage[Any]):
    """Rows, the values of their keys by column, and the cursor that the page was read with."""

    def __init__(self, items: Sequence[Any], keys: Sequence[Values], begin: Any) -> None:
        self.items = items
        self._keys = keys
        self._begin = begin

    def cursor(self, done: int) -> Any:
        return [values[done - 1] for values in self._keys] if done else self._begin


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
        # One more than is handed out: it tells whether there are more, and whether the last one's
        # key is its own.
        self._limit = page + 1
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
        items, keys = self._read_behind(after)
        while True:
            page = KeyedPage(items[: self._page], keys, after and list(after))
            yield page
            if len(items) <= self._page:
                break
            before, last, after = after, keys, tuple(page.cursor(self._page))
            items, keys = self._read_behind(after)
            if _row(keys, 0) != _row(last, -1):
                self._refuse_other_order(before, last, keys)
        self._end()

    def _read_behind(self, after: Key | None) -> tuple[Sequence[Any], list[Values]]:
        items, read = self._read(after)
        keys = self._checked(read)
        if after is not None and _row(keys, 0) == after:
            raise self._read_again(after)
        return items, keys

    def _refuse_other_order(
        self, before: Key | None, last: list[Values], keys: list[Values]
    ) -> None:
        """A page does not begin with the row that the last one saw ahead.

        That may have been deleted, or another inserted before it. Not so if a row is read twice,
        or if the one ahead is still there.
        """
        *done, ahead = zip(*last, strict=True)
        found = set(zip(*keys, strict=True))
        for key in done:
            if key in found:
                raise self._in_other_order(key)
        if ahead not in found and ahead in zip(*self._read_behind(before)[1], strict=True):
            raise self._in_other_order(ahead)

    def _joined(
        self, reads: Iterable[tuple[Sequence[Any], list[Values]]]
    ) -> tuple[Sequence[Any], list[Values]]:
        """The rows of reads that are made one after the other, until there are enough."""
        items: list[Any] = []
        keys: list[Values] = [[] for _ in self._columns]
        for further, values in reads:
            items += further
            for all_values, each in zip(keys, values, strict=True):
                all_values += each
            if len(items) >= self._limit:
                break
        return items[: self._limit], [values[: self._limit] for values in keys]

    @abstractmethod
    def _read(self, after: Key | None) -> tuple[Sequence[Any], list[Values]]:
        """As many rows as the limit, behind this key, and the values of each column of the key.
        None: from the first row on."""

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
        return tuple(values[0] for values in self._checked([[value] for value in cursor]))

    def _checked(self, keys: list[Values]) -> list[Values]:
        """Refuse keys that the next page could not begin behind."""
        keys = [
            self._exact(column.name, values)
            for column, values in zip(self._columns, keys, strict=True)
        ]
        for key, following in pairwise(zip(*keys, strict=True)):
            if key == following:
                raise self._not_unique(key)
        return keys

    def _exact(self, name: str, values: Values) -> Values:
        kinds = set(map(type, values))
        if not kinds <= _EXACT:
            self._refuse(name, next(value for value in values if type(value) not in _EXACT))
        if kinds & _BUFFERS:
            return list(map(bytes, values))
        return list(map(_instant, values)) if datetime in kinds else values

    def _refuse(self, name: str, value: object) -> None:
        if value is None:
            raise self._has_null(name)
        why = "is not exact" if isinstance(value, float) else "is nothing that a cursor holds"
        raise InvalidStepError(
            f"{self.kind}: {name} cannot be of the key, since {value!r} of type "
            f"{type(value).__name__} {why}"
        )

    def _not_unique(self, key: Key) -> InvalidStepError:
        return InvalidStepError(
            f"{self.kind}: two rows have the key {list(key)!r}, and one of them could be skipped: "
            f"{self._names} must be unique, add columns until it is"
        )

    def _in_other_order(self, key: Key) -> InvalidStepError:
        return InvalidStepError(
            f"{self.kind}: the row with the key {list(key)!r} is at another place in the order "
            "than by comparison, as an ENUM of MySQL may be, or its values are not the same in the "
            "database: take other columns"
        )

    def _read_again(self, key: Key) -> InvalidStepError:
        return InvalidStepError(
            f"{self.kind}: the row with the key {list(key)!r} was read behind itself: its values "
            "are not the same in the database, take other columns"
        )

    def _has_null(self, name: str) -> InvalidStepError:
        return InvalidStepError(
            f"{self.kind}: {name} is NULL in some row, which is before and behind no other: "
            "take a column that is not, or leave these rows out"
        )

    @property
    def _names(self) -> str:
        return ", ".join(column.name for column in self._columns)


def _row(keys: list[Values], place: int) -> Key | None:
    return tuple(values[place] for values in keys) if keys[0] else None


def _instant(value: Any) -> Any:
    """In UTC: where the clock is put back, Python takes two moments of one zone for the same."""
    is_aware = isinstance(value, datetime) and value.tzinfo is not None
    return value.astimezone(timezone.utc) if is_aware else value

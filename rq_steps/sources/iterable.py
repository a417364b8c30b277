"""Any iterable: a generator made in the step, a mapping, an open file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count, islice
from typing import TypeVar

from rq_steps.errors import InvalidStepError
from rq_steps.sources.protocol import IndexedSource
from rq_steps.sources.sequence import length_of

T = TypeVar("T")


class IterableSource(IndexedSource[T]):
    """The cursor is the number of items done.

    On resume as many items are read again, and dropped: a new iterable has to be made by each
    execution, and has to give the same items in the same order.
    """

    kind = "iterable"

    def __init__(self, iterable: Iterable[T]) -> None:
        self._iterable = iterable

    @property
    def total(self) -> int | None:
        return length_of(self._iterable)

    def open(self, cursor: int | None) -> Iterator[tuple[T, int]]:
        begin = cursor or 0
        return with_cursors(self.items(begin), begin)

    def items(self, cursor: int) -> Iterator[T]:
        """The items from this cursor on."""
        items = iter(self._iterable)
        skipped = sum(1 for _ in islice(items, cursor))
        if skipped < cursor:
            raise InvalidStepError(
                f"the cursor is {cursor}, but the iterable ended after {skipped} items: "
                "each execution has to make a new one, with the same items"
            )
        return items


def with_cursors(items: Iterator[T], cursor: int) -> Iterator[tuple[T, int]]:
    """Each item, the first of which is at this cursor, with the cursor behind it."""
    return zip(items, count(cursor + 1), strict=False)

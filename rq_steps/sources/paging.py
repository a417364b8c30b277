"""Any source in pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from rq_steps.sources.page import ListPage, Page
from rq_steps.sources.pairs import pairs_of, refuse_same
from rq_steps.sources.protocol import PagedSource, Source, close, opening_cursor
from rq_steps.sources.sequence import SequenceSource

T = TypeVar("T")
Item = TypeVar("Item", covariant=True)

_PAGE = 256


class Slice(ListPage[Item]):
    """Items of a sequence, the first of which has this index."""

    def __init__(self, items: Sequence[Item], first: int) -> None:
        self.items = items
        self._first = first

    def cursor(self, done: int) -> int:
        return self._first + done


class Single(ListPage[Item]):
    """One item, between two cursors."""

    def __init__(self, item: Item, before: Any, behind: Any) -> None:
        self.items = (item,)
        self._cursors = before, behind

    def cursor(self, done: int) -> Any:
        return self._cursors[done]


def pages_of(source: Source[T], cursor: Any) -> Iterator[Page[T]]:
    """The pages from this cursor on. What gives item by item is not read ahead.

    Raises:
        InvalidStepError: there is no such place in the source.
    """
    begin = opening_cursor(source, cursor)
    if isinstance(source, PagedSource):
        return source.pages(begin)
    if isinstance(source, SequenceSource) and source.is_built_in:
        source.refuse_beyond(begin)
        return _slices(source.sequence, begin)
    return _singles(source, begin)


def _slices(sequence: Sequence[T], first: int) -> Iterator[Slice[T]]:
    while items := list(sequence[first : first + _PAGE]):
        yield Slice(items, first)
        first += len(items)


def _singles(source: Source[T], cursor: Any) -> Iterator[Single[T]]:
    pairs = pairs_of(source, cursor)
    try:
        for item, behind in pairs:
            if behind is cursor:
                refuse_same(behind)
            yield Single(item, cursor, behind)
            cursor = behind
    finally:
        close(pairs)

"""What the wrappers have in common: any source in pages, and what is kept of one in another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Generic, TypeVar

from rq_steps.errors import InvalidStepError
from rq_steps.record import SourceMark
from rq_steps.sources.async_iterable import AsyncIterableSource
from rq_steps.sources.protocol import (
    AsyncSource,
    Described,
    IndexedSource,
    Page,
    PagedSource,
    Source,
)
from rq_steps.sources.sequence import SequenceSource
from rq_steps.sources.unbroken import unbroken
from rq_steps.values import JSON

T = TypeVar("T")
Item = TypeVar("Item", covariant=True)

_PAGE = 256


class Slice(Generic[Item]):
    """Items of a sequence, the first of which has this index."""

    def __init__(self, items: Sequence[Item], first: int) -> None:
        self.items = items
        self._first = first

    def cursor(self, done: int) -> int:
        return self._first + done


class Single(Generic[Item]):
    """One item, between two cursors."""

    def __init__(self, item: Item, before: Any, behind: Any) -> None:
        self.items = (item,)
        self._cursors = before, behind

    def cursor(self, done: int) -> Any:
        return self._cursors[done]


def pages_of(source: Source[T], cursor: Any) -> Iterator[Page[T]]:
    """The pages of any source. What gives item by item is not read ahead.

    Raises:
        InvalidStepError: there is no such place in the source.
    """
    if isinstance(source, PagedSource):
        return source.pages(cursor)
    if isinstance(source, IndexedSource):
        cursor = _index(source, cursor)
    if isinstance(source, SequenceSource) and type(source.sequence) in (list, tuple, range):
        source.refuse_beyond(cursor)
        return _slices(source.sequence, cursor)
    return _singles(source, cursor)


def _slices(sequence: Sequence[T], first: int) -> Iterator[Slice[T]]:
    while items := list(sequence[first : first + _PAGE]):
        yield Slice(items, first)
        first += len(items)


def _singles(source: Source[T], cursor: Any) -> Iterator[Single[T]]:
    for item, behind in source.open(cursor):
        yield Single(item, cursor, behind)
        cursor = behind


def pairs_of(source: Source[T], cursor: Any) -> Iterator[tuple[T, Any]]:
    """The items of any source, each with the cursor behind it.

    Raises:
        InvalidStepError: there is no such place in the source.
    """
    if isinstance(source, IndexedSource):
        cursor = _index(source, cursor)
    return source.open(cursor)


def async_pairs_of(source: AsyncSource[T], cursor: Any) -> AsyncIterator[tuple[T, Any]]:
    """The same of an async source."""
    if isinstance(source, AsyncIterableSource):
        cursor = _index(source, cursor)
    return unbroken(source.open(cursor))


async def close(pairs: AsyncIterator[Any] | None) -> None:
    """Let go of what a source holds open, if it was opened."""
    aclose = getattr(pairs, "aclose", None)
    if aclose is not None:
        await aclose()


def _index(source: Described, cursor: Any) -> int:
    index = 0 if cursor is None else cursor
    if type(index) is not int or index < 0:
        raise InvalidStepError(
            f"{source.mark.described} is gone on with at an index, found {cursor!r}"
        )
    return index


def check_kept(source: Described, kept: JSON) -> None:
    """Compare a source with the mark that was kept of it, as `SourceMark.dump` gave it.

    Raises:
        InvalidStepError: it is another kind, has another length, or breaks its contract.
    """
    found, expected = source.mark, SourceMark.load(kept)
    if found[:2] != expected[:2]:
        raise InvalidStepError(f"found {found.described}, expected {expected.described}")
    source.check(expected.contract)


def total_of(sources: Sequence[Described]) -> tuple[int | None, str]:
    """How much all of them have together, and what it counts."""
    totals = [each.total for each in sources]
    units = {each.unit for each in sources}
    if len(units) > 1 or None in totals:
        return None, "items"
    return sum(total for total in totals if total is not None), units.pop() if units else "items"


def refuse_other_fields(cursor: Any, kind: str, *fields: str) -> None:
    """Refuse a cursor that is not made of these fields."""
    if not isinstance(cursor, dict) or set(cursor) != set(fields):
        raise InvalidStepError(
            f"{kind} is gone on with at a cursor with {', '.join(fields)}, found {cursor!r}"
        )

"""Batches of items, whose cursor knows nothing of batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Generic, TypeVar

from rq_steps.record import SourceMark
from rq_steps.sources import source_of
from rq_steps.sources.protocol import PagedSource
from rq_steps.sources.wrapped import pages_of
from rq_steps.values import JSON

T = TypeVar("T")
Item = TypeVar("Item", covariant=True)
Place = Callable[[], Any]


def batches(source: Iterable[T], size: int) -> Batches[T]:
    """Lists of so many items; the last one may be shorter.

    The cursor, and all that is kept with it, is that of the source itself. So after a deploy the
    batches may have another size, or there may be none: no item is skipped or repeated.

    Args:
        source: whatever `step.each` takes.
        size: items in a batch.

    Raises:
        ValueError: `size` is not at least 1.
        InvalidStepError, TypeError: as `step.each` of the source.
    """
    if isinstance(size, bool) or not isinstance(size, int):
        raise TypeError(f"the size of a batch is an int, found {size!r}")
    if size < 1:
        raise ValueError(f"the size of a batch must be at least 1, found {size}")
    return Batches(source, size)


class Batches(PagedSource[list[T]]):
    """Each item is a list of items of another source."""

    def __init__(self, source: Iterable[T], size: int) -> None:
        self._source = source_of(source)
        self._size = size

    @property
    def kind(self) -> str:
        return self._source.kind

    @property
    def contract(self) -> JSON:
        return self._source.contract

    @property
    def total(self) -> int | None:
        return self._source.total

    @property
    def unit(self) -> str:
        return self._source.unit

    @property
    def mark(self) -> SourceMark:
        return self._source.mark

    def check(self, kept: JSON) -> None:
        self._source.check(kept)

    def pages(self, cursor: Any) -> Iterator[BatchPage[T]]:
        begin: Place = partial(_itself, cursor)
        batch: list[T] = []
        end = begin
        for page in pages_of(self._source, cursor):
            done = 0
            while done < len(page.items):
                taken = page.items[done : done + self._size - len(batch)]
                batch += taken
                done += len(taken)
                end = partial(page.cursor, done)
                if len(batch) == self._size:
                    yield BatchPage(batch, begin, end)
                    batch, begin = [], end
        if batch:
            yield BatchPage(batch, begin, end)


class BatchPage(Generic[T]):
    """One batch, and what gives the places before and behind it."""

    def __init__(self, batch: list[T], begin: Place, end: Place) -> None:
        self.items = (batch,)
        self._places = begin, end

    def cursor(self, done: int) -> Any:
        return self._places[done]()


def _itself(cursor: Any) -> Any:
    return cursor

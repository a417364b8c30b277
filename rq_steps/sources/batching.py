"""Batches of items, whose cursor knows nothing of batches."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from typing import Any, Generic, TypeVar, overload

from rq_steps.sources.async_pairs import async_pairs_of, close
from rq_steps.sources.given import async_source_of, is_async, source_of
from rq_steps.sources.mistaken import refuse_size
from rq_steps.sources.page import ListPage
from rq_steps.sources.paging import pages_of
from rq_steps.sources.protocol import AsyncSource, PagedSource, Source
from rq_steps.sources.transparent import Transparent

T = TypeVar("T")
Item = TypeVar("Item", covariant=True)
CursorOf = Callable[[], Any]


@overload
def batches(source: Iterable[T], size: int) -> Batches[T]: ...


@overload
def batches(source: AsyncIterable[T], size: int) -> AsyncBatches[T]: ...


def batches(source: Any, size: int) -> Any:
    """Lists of so many items; the last one may be shorter.

    The cursor, and all that is kept with it, is that of the source itself. So after a deploy the
    batches may have another size, or there may be none: no item is skipped or repeated.

    Args:
        source: whatever `step.each` takes. Of an async iterable, the batches are for `async for`.
        size: items in a batch.

    Raises:
        ValueError: `size` is not at least 1.
        InvalidStepError, TypeError: as `step.each` of the source.
    """
    refuse_size(size)
    return AsyncBatches(source, size) if is_async(source) else Batches(source, size)


class Batches(Transparent, PagedSource[list[T]]):
    """Each item is a list of items of another source."""

    _source: Source[T]

    def __init__(self, source: Iterable[T], size: int) -> None:
        super().__init__(source_of(source))
        self._size = size

    @property
    def is_cut_anew(self) -> bool:
        return True

    def pages(self, cursor: Any) -> Iterator[BatchPage[T]]:
        begin: CursorOf = partial(_itself, cursor)
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


class BatchPage(ListPage[list[T]]):
    """One batch, and what gives the cursors before and behind it."""

    def __init__(self, batch: list[T], begin: CursorOf, end: CursorOf) -> None:
        self.items = (batch,)
        self._cursors = begin, end

    def cursor(self, done: int) -> Any:
        return self._cursors[done]()


class AsyncBatches(Transparent, AsyncSource[list[T]]):
    """The same over an async source."""

    _source: AsyncSource[T]

    def __init__(self, source: AsyncIterable[T], size: int) -> None:
        super().__init__(async_source_of(source))
        self._size = size

    @property
    def is_cut_anew(self) -> bool:
        return True

    def open(self, cursor: Any) -> AsyncIterator[tuple[list[T], Any]]:
        return Collected(async_pairs_of(self._source, cursor), self._size)


class Collected(Generic[T]):
    """Batches of items, with the cursor behind each.

    Who gives up waiting for a batch, and asks again, gets what had come for it until then.
    """

    def __init__(self, pairs: AsyncIterator[tuple[T, Any]], size: int) -> None:
        self._pairs = pairs
        self._size = size
        self._batch: list[T] = []
        self._behind: Any = None

    def __aiter__(self) -> AsyncIterator[tuple[list[T], Any]]:
        return self

    async def __anext__(self) -> tuple[list[T], Any]:
        while len(self._batch) < self._size:
            try:
                item, self._behind = await anext(self._pairs)
            except StopAsyncIteration:
                if not self._batch:
                    raise
                break
            self._batch.append(item)
        batch, self._batch = self._batch, []
        return batch, self._behind

    async def aclose(self) -> None:
        await close(self._pairs)


def _itself(cursor: Any) -> Any:
    return cursor

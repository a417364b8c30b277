"""Several sources, one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

from rq_steps.errors import InvalidStepError
from rq_steps.sources.async_pairs import async_pairs_of, close
from rq_steps.sources.compound import Compound
from rq_steps.sources.given import async_source_of, is_async, source_of
from rq_steps.sources.page import Page
from rq_steps.sources.paging import pages_of
from rq_steps.sources.protocol import (
    AsyncSource,
    Described,
    PagedSource,
    Source,
    is_cut_anew,
)
from rq_steps.values import JSON

T = TypeVar("T")
Item = TypeVar("Item", covariant=True)


# One that is sync is narrower than one of either sort, and of those both give what is right.
@overload
def chain(*sources: Iterable[T]) -> Chain[T]: ...  # type: ignore[overload-overlap]


@overload
def chain(*sources: Iterable[T] | AsyncIterable[T]) -> AsyncChain[T]: ...


def chain(*sources: Any) -> Any:
    """The items of the first source, then those of the next. None but the one in hand is open.

    Args:
        sources: whatever `step.each` takes, of different kinds if need be. They have to be as many
            on resume, and each has to be of the same kind. If one of them is async, the chain is
            for `async for`.

    Raises:
        InvalidStepError, TypeError: as `step.each` of one of the sources.
    """
    return AsyncChain(sources) if any(map(is_async, sources)) else Chain(sources)


class Chaining(Compound):
    """The cursor is the index of a source, and the cursor of that source."""

    kind = "chain"

    def __init__(self, sources: Sequence[Described]) -> None:
        self._sources = sources

    @property
    def contract(self) -> list[JSON]:
        return [each.mark.dump() for each in self._sources]

    @property
    def total(self) -> int | None:
        totals = [each.total for each in self._sources]
        if None in totals or len(self._units) > 1:
            return None
        return sum(total for total in totals if total is not None)

    @property
    def unit(self) -> str:
        return self._units.pop() if len(self._units) == 1 else "items"

    @property
    def _units(self) -> set[str]:
        return {each.unit for each in self._sources}

    @property
    def is_cut_anew(self) -> bool:
        return any(map(is_cut_anew, self._sources))

    def compare(self, found: Any, kept: Any) -> None:
        if len(found) != len(kept):
            raise InvalidStepError(f"{self.kind}: found {len(found)} sources, expected {len(kept)}")
        for index, part in enumerate(zip(self._sources, found, kept, strict=True)):
            try:
                self.compare_part(*part)
            except InvalidStepError as error:
                raise InvalidStepError(f"{self.kind}, source {index}: {error}") from None

    def place(self, cursor: Any) -> tuple[int, Any]:
        """The index of a source, and the cursor of that."""
        if cursor is None:
            return 0, None
        index, within = self.parts(cursor, "source", "cursor")
        if type(index) is not int or not 0 <= index <= len(self._sources):
            raise InvalidStepError(
                f"{self.kind}: the cursor is in source {index!r} of {len(self._sources)}"
            )
        return index, within


class Chain(Chaining, PagedSource[T]):
    """Of sync sources."""

    _sources: Sequence[Source[T]]

    def __init__(self, sources: Sequence[Iterable[T]]) -> None:
        super().__init__([source_of(each) for each in sources])

    def pages(self, cursor: Any) -> Iterator[LinkPage[T]]:
        begin, within = self.place(cursor)
        for index, source in enumerate(self._sources[begin:], begin):
            for page in pages_of(source, within):
                yield LinkPage(page, index)
            within = None


class LinkPage(Page[Item]):
    """A page of the source with this index."""

    def __init__(self, page: Page[Item], index: int) -> None:
        self._page = page
        self._index = index

    @property
    def items(self) -> Sequence[Item]:
        return self._page.items

    @property
    def end(self) -> int:
        return self._page.end

    def is_over(self, done: int) -> bool:
        return self._page.is_over(done)

    def segment(self, done: int) -> Any:
        return self._page.segment(done)

    def one(self, done: int) -> Iterable[Item]:
        return self._page.one(done)

    def cursor(self, done: int) -> dict[str, Any]:
        return _cursor(self._index, self._page.cursor(done))


class AsyncChain(Chaining, AsyncSource[T]):
    """Of sources one of which is async, at least."""

    _sources: Sequence[AsyncSource[T]]

    def __init__(self, sources: Sequence[Iterable[T] | AsyncIterable[T]]) -> None:
        super().__init__([async_source_of(each) for each in sources])

    def open(self, cursor: Any) -> AsyncIterator[tuple[T, Any]]:
        return Linked(self._sources, *self.place(cursor))


class Linked(Generic[T]):
    """The items of one source after the other, each with the cursor behind it.

    Who gives up waiting for an item, and asks again, asks the same source.
    """

    def __init__(self, sources: Sequence[AsyncSource[T]], index: int, within: Any) -> None:
        self._sources = sources
        self._index = index
        self._within = within
        self._pairs: AsyncIterator[tuple[T, Any]] | None = None

    def __aiter__(self) -> AsyncIterator[tuple[T, Any]]:
        return self

    async def __anext__(self) -> tuple[T, Any]:
        while self._index < len(self._sources):
            try:
                item, behind = await anext(self._opened())
            except StopAsyncIteration:
                await self._go_on()
            else:
                return item, _cursor(self._index, behind)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        await close(self._pairs)

    def _opened(self) -> AsyncIterator[tuple[T, Any]]:
        if self._pairs is None:
            self._pairs = async_pairs_of(self._sources[self._index], self._within)
        return self._pairs

    async def _go_on(self) -> None:
        await close(self._pairs)
        self._index, self._within, self._pairs = self._index + 1, None, None


def _cursor(index: int, of_source: Any) -> dict[str, Any]:
    return {"source": index, "cursor": of_source}

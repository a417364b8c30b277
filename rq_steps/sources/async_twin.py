"""A sync source, for `async for`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import GeneratorType
from typing import Any, Generic, TypeVar

from rq_steps.sources.protocol import AsyncSource, Source
from rq_steps.sources.transparent import Transparent
from rq_steps.sources.wrapped import pairs_of

T = TypeVar("T")
Item = TypeVar("Item", covariant=True)


class AsyncTwin(Transparent, AsyncSource[T]):
    """Its cursor, and all that is kept with it, is that of the sync source.

    It awaits nothing: reading an item holds up the event loop, as it does in a `for`.
    """

    def __init__(self, source: Source[T]) -> None:
        self._source = source
        super().__init__(source)

    def open(self, cursor: Any) -> AsyncIterator[tuple[T, Any]]:
        return AsyncPairs(pairs_of(self._source, cursor))


class AsyncPairs(Generic[Item]):
    """Pairs for `async for`."""

    def __init__(self, pairs: Iterator[tuple[Item, Any]]) -> None:
        self._pairs = pairs

    def __aiter__(self) -> AsyncIterator[tuple[Item, Any]]:
        return self

    async def __anext__(self) -> tuple[Item, Any]:
        for pair in self._pairs:
            return pair
        raise StopAsyncIteration

    async def aclose(self) -> None:
        # A generator that the user made is his own: of those, the pairs are a zip.
        if isinstance(self._pairs, GeneratorType):
            self._pairs.close()

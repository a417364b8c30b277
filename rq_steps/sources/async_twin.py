"""A sync source, for `async for`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Generic, TypeVar

from rq_steps.sources.pairs import pairs_of
from rq_steps.sources.protocol import AsyncSource, Source, broken_off, close, opening_cursor
from rq_steps.sources.transparent import Transparent

T = TypeVar("T")
Item = TypeVar("Item", covariant=True)


class AsyncTwin(Transparent, AsyncSource[T]):
    """Its cursor, and all that is kept with it, is that of the sync source.

    It awaits nothing: reading an item holds up the event loop, as it does in a `for`.
    """

    _source: Source[T]

    def open(self, cursor: Any) -> AsyncIterator[tuple[T, Any]]:
        return TwinPairs(pairs_of(self._source, opening_cursor(self._source, cursor)))


class TwinPairs(Generic[Item]):
    """Pairs for `async for`."""

    def __init__(self, pairs: Iterator[tuple[Item, Any]]) -> None:
        self._pairs = pairs
        self._is_broken = False

    def __aiter__(self) -> AsyncIterator[tuple[Item, Any]]:
        return self

    async def __anext__(self) -> tuple[Item, Any]:
        if self._is_broken:
            raise broken_off()
        try:
            return next(self._pairs)
        except StopIteration:
            raise StopAsyncIteration from None
        except BaseException:
            self._is_broken = True
            raise

    async def aclose(self) -> None:
        close(self._pairs)

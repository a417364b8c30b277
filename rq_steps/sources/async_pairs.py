"""What an async source gives: its items, each with the cursor behind it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Coroutine
from typing import Any, Generic, TypeVar

from rq_steps.sources.mistaken import called
from rq_steps.sources.protocol import AsyncSource, broken_off, opening_cursor

T = TypeVar("T")
Item = TypeVar("Item", covariant=True)


def async_pairs_of(source: AsyncSource[T], cursor: Any) -> AsyncIterator[tuple[T, Any]]:
    """The items from this cursor on, each with the cursor behind it.

    Raises:
        InvalidStepError: there is no such place in the source.
        TypeError: what its `open` gives is nothing for `async for`.
    """
    pairs: Any = source.open(opening_cursor(source, cursor))
    if isinstance(pairs, AsyncIterable):
        return unbroken(aiter(pairs))
    if isinstance(pairs, Coroutine):
        pairs.close()
    raise TypeError(f"{source.kind}: open has to give an async iterator, found {called(pairs)}")


async def close(pairs: AsyncIterator[Any] | None) -> None:
    """Let go of what a source holds open, if it was opened."""
    aclose = getattr(pairs, "aclose", None)
    if aclose is not None:
        await aclose()


class Unbroken(Generic[Item]):
    """A generator that raised, or that somebody gave up waiting for, is over for good. Whoever asks
    it again is told that there is nothing more, and would lose the rest."""

    def __init__(self, items: AsyncGenerator[Item, None]) -> None:
        self._items = items
        self._is_broken = False

    def __aiter__(self) -> AsyncIterator[Item]:
        return self

    async def __anext__(self) -> Item:
        if self._is_broken:
            raise broken_off()
        try:
            return await anext(self._items)
        except StopAsyncIteration:
            raise
        except BaseException:
            self._is_broken = True
            raise

    async def aclose(self) -> None:
        await self._items.aclose()


def unbroken(items: AsyncIterator[Item]) -> AsyncIterator[Item]:
    """The same, and not taken for ended where it was broken off. What is no generator may be asked
    again."""
    return Unbroken(items) if isinstance(items, AsyncGenerator) else items

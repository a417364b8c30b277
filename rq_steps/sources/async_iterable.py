"""Any async iterable: an async generator made in the step, the pages of a client."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Generic, TypeVar

from rq_steps.errors import InvalidStepError
from rq_steps.sources.async_pairs import Unbroken, unbroken
from rq_steps.sources.protocol import AsyncSource, Indexed

T = TypeVar("T")
Item = TypeVar("Item", covariant=True)


class AsyncIterableSource(Indexed, AsyncSource[T]):
    """The cursor is the number of items done.

    On resume as many items are read again, and dropped: a new iterable has to be made by each
    execution, and has to give the same items in the same order.

    A generator that the user made is left open, unless it is `owned`. One that the
    iterable made when it was asked for its items is nobody else's.
    """

    kind = "async iterable"

    def __init__(self, iterable: AsyncIterable[T], *, owned: bool = False) -> None:
        self._iterable = iterable
        self._owned = owned

    def open(self, cursor: int | None) -> AsyncIterator[tuple[T, int]]:
        items = aiter(self._iterable)
        owned = self._owned or items is not self._iterable
        return Counted(unbroken(items), cursor or 0, owned=owned)


class Counted(Generic[Item]):
    """Each item with the cursor behind it; so many are dropped first.

    It is no generator: who gives up waiting for an item would end that for good.
    """

    def __init__(self, items: AsyncIterator[Item], cursor: int, *, owned: bool) -> None:
        self._items = items
        self._begin = cursor
        self._owned = owned
        self._done = 0

    def __aiter__(self) -> AsyncIterator[tuple[Item, int]]:
        return self

    async def __anext__(self) -> tuple[Item, int]:
        while self._done < self._begin:
            await self._drop()
        item = await anext(self._items)
        self._done += 1
        return item, self._done

    async def aclose(self) -> None:
        if self._owned and isinstance(self._items, Unbroken):
            await self._items.aclose()

    async def _drop(self) -> None:
        try:
            await anext(self._items)
        except StopAsyncIteration:
            raise InvalidStepError(
                f"the cursor is {self._begin}, but the async iterable ended after {self._done} "
                "items: each execution has to make a new one, with the same items"
            ) from None
        self._done += 1

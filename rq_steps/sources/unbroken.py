"""Async generators that are not taken for ended where they were broken off."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Generic, TypeVar

from rq_steps.errors import InvalidStepError

Item = TypeVar("Item", covariant=True)


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
            raise InvalidStepError(
                "an async generator has raised, or was given up waiting for, and has nothing more "
                "to give: let the error end the step, or wait within the generator"
            )
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
    """The same; what is no generator may be asked again."""
    return Unbroken(items) if isinstance(items, AsyncGenerator) else items

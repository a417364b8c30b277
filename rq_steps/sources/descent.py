"""The pairs of an async loop within a loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Generic, NamedTuple, TypeVar

from rq_steps.sources.async_pairs import async_pairs_of, close
from rq_steps.sources.protocol import AsyncSource
from rq_steps.values import JSON

Outer = TypeVar("Outer")
Inner = TypeVar("Inner")


class InHand(NamedTuple):
    """The outer item in hand, between its cursors, and what was made of it."""

    item: Any
    before: Any
    behind: Any
    of: JSON
    pairs: AsyncIterator[tuple[Any, Any]]


class Descent(Generic[Outer, Inner]):
    """Pairs of items, each with the cursor behind it.

    Who gives up waiting for an item, and asks again, asks the same source, or has it made again.

    Args:
        outer: the outer items from a cursor on.
        before: that cursor.
        kept: the cursor of the nested loop that it is part of, if there is one.
        source_of: makes a source of an outer item.
        begin_within: where to begin in it, which has this mark, if it was in hand when the cursor
            was kept.
        is_first_or_none: is that the first one, if it is there? Asked when that has come.
    """

    def __init__(
        self,
        outer: AsyncIterator[tuple[Outer, Any]],
        before: Any,
        kept: Any,
        source_of: Callable[[Outer], Awaitable[AsyncSource[Inner]]],
        begin_within: Callable[[AsyncSource[Inner], JSON, Outer, Any], Any],
        *,
        is_first_or_none: Callable[[], bool],
    ) -> None:
        self._outer = outer
        self._source_of = source_of
        self._begin_within = begin_within
        self._before = before
        self._kept = kept
        self._is_first_or_none = is_first_or_none
        self._next: tuple[Outer, Any] | None = None
        self._in_hand: InHand | None = None

    def __aiter__(self) -> AsyncIterator[tuple[tuple[Outer, Inner], Any]]:
        return self

    async def __anext__(self) -> tuple[tuple[Outer, Inner], Any]:
        while True:
            if self._in_hand is None:
                self._in_hand = await self._descend()
            item, before, behind, of, pairs = self._in_hand
            try:
                each, within = await anext(pairs)
            except StopAsyncIteration:
                await self._ascend(self._in_hand)
            else:
                return (item, each), nested_cursor(before, behind, of, within)

    async def aclose(self) -> None:
        try:
            await close(None if self._in_hand is None else self._in_hand.pairs)
        finally:
            await close(self._outer)

    async def _descend(self) -> InHand:
        """Into the next outer item."""
        if self._next is None:
            self._next = await anext(self._outer)
        item, behind = self._next
        source = await self._source_of(item)
        kept = self._kept if self._kept is not None and self._kept["behind"] == behind else None
        of = source.mark.dump()
        pairs = async_pairs_of(source, self._begin_within(source, of, item, kept))
        return InHand(item, self._before, behind, of, pairs)

    async def _ascend(self, done: InHand) -> None:
        await close(done.pairs)
        self._before, self._next, self._in_hand = done.behind, None, None
        if self._is_first_or_none():
            self._kept = None


def nested_cursor(before: Any, behind: Any, of: JSON, within: Any) -> dict[str, Any]:
    return {"before": before, "behind": behind, "of": of, "cursor": within}

"""The loop of `async for ... in step.each(...)`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from rq_steps.attention import Attention
from rq_steps.errors import InvalidStepError
from rq_steps.sources.pairs import refuse_same
from rq_steps.sources.protocol import broken_off


class AsyncLoop:
    """Moves the cursor after the body of an item has finished.

    It is no generator: one that a `break` leaves behind would be closed at some later time, by a
    task of the event loop, if that still runs.
    """

    __slots__ = (
        "_asking",
        "_attention",
        "_behind",
        "_checkpoint",
        "_closed",
        "_is_broken",
        "_moved",
        "_over",
        "_pairs",
        "begun",
        "cursor",
    )

    def __init__(
        self,
        pairs: AsyncIterator[tuple[Any, Any]],
        cursor: Any,
        attention: Attention,
        checkpoint: Callable[[], None],
    ) -> None:
        self.begun = False
        self.cursor = cursor
        self._pairs = pairs
        self._attention = attention
        self._checkpoint = checkpoint
        self._behind = cursor
        self._moved = False
        self._asking = False
        self._over = False
        self._is_broken = False
        self._closed = False

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("step.each over an async iterable is looped over with `async for`")

    async def __anext__(self) -> Any:
        self.begun = True
        self._refuse_second_task()
        if self._closed:
            self._checkpoint()  # which tells that the step is over
        if self._over:
            raise broken_off() if self._is_broken else StopAsyncIteration
        self.cursor = self._behind  # whoever asks for an item is done with the one before it
        item, behind = await self._next_pair()
        if behind is self.cursor:
            refuse_same(behind)
        if self._moved and self._attention.wanted:
            self._leave_or_go_on()
        self._behind, self._moved = behind, True
        return item

    def close(self) -> None:
        """The step is over, and with it the loop."""
        self._closed = True

    async def aclose(self) -> None:
        """Let go of what the source holds open. A generator that the user made stays open."""
        self._over = True
        aclose = getattr(self._pairs, "aclose", None)
        if aclose is not None and not self._asking:
            await aclose()

    def _refuse_second_task(self) -> None:
        if self._asking:
            raise InvalidStepError(
                "two tasks ask step.each for an item at once: one that is asked for says that the "
                "one before it is done"
            )

    async def _next_pair(self) -> tuple[Any, Any]:
        self._asking = True
        try:
            return await anext(self._pairs)
        finally:
            self._asking = False

    def _leave_or_go_on(self) -> None:
        """Whoever swallows what a checkpoint raises gets no further item: this one is not done."""
        self._over = True
        try:
            self._checkpoint()
        except Exception:
            self._is_broken = True
            raise
        self._over = False

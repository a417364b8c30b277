"""A loop over items with their cursors, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from rq_steps.attention import Attention
from rq_steps.loops.protocol import Checkpoint
from rq_steps.loops.unbroken import unbroken
from rq_steps.sources.pairs import refuse_same
from rq_steps.sources.protocol import close


class PairLoop:
    """A generator that moves the cursor after the body of an item has finished."""

    __slots__ = ("_attention", "_checkpoint", "_pairs", "begun", "cursor")

    def __init__(
        self,
        pairs: Iterator[tuple[Any, Any]],
        cursor: Any,
        attention: Attention,
        checkpoint: Checkpoint,
    ) -> None:
        self.begun = False
        self.cursor = cursor
        self._pairs = pairs
        self._attention = attention
        self._checkpoint = checkpoint

    def __iter__(self) -> Iterator[Any]:
        return unbroken(self._one_by_one())

    def _one_by_one(self) -> Iterator[Any]:
        self.begun = True
        attention = self._attention
        for item, behind in islice(self._pairs, 1):
            yield item
            self.cursor = behind
        for item, behind in islice(self._pairs, 1):
            if behind is self.cursor:  # looked at once: who gives it twice does so from the start
                refuse_same(behind)
            if attention.wanted:
                self._checkpoint()
            yield item
            self.cursor = behind
        for item, behind in self._pairs:
            if attention.wanted:
                self._checkpoint()
            yield item
            self.cursor = behind

    def close(self) -> None:
        close(self._pairs)

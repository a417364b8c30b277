"""The loop over any iterator."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from inspect import GEN_SUSPENDED, getgeneratorstate
from itertools import chain, compress
from operator import length_hint
from typing import Any
from weakref import ReferenceType, ref

from rq_steps.attention import Attention
from rq_steps.loops.cut import CutLoop
from rq_steps.loops.protocol import Checkpoint

_TICKS = (True,) * 4096


class IteratorLoop(CutLoop):
    """Over any iterator: for each item it takes one tick, and the segments are ticks.

    `compress` takes the item first, and keeps it while a cut segment is followed by a new one: so
    the checkpoint lies between two items, and none is lost. The generator around it tells whether
    an item is in hand: it is suspended then. While it runs, it asks for the next one.
    """

    __slots__ = ("_begun_at", "_dropped", "_items", "_lone", "_walk")

    def __init__(
        self, items: Iterator[Any], cursor: int, attention: Attention, checkpoint: Checkpoint
    ) -> None:
        super().__init__(cursor, attention, checkpoint)
        self._items = items
        self._begun_at = cursor
        # One attribute, so that place and tick always go together.
        self._lone: tuple[int, Iterator[bool]] = cursor, iter(_TICKS[:1])
        self._dropped = False
        # Weak: in a cycle, what the user's generator holds open would outlast the step.
        self._walk: ReferenceType[Generator[Any, None, None]] | None = None

    def __iter__(self) -> Iterator[Any]:
        walk = self._one_by_one()
        self._walk = ref(walk)
        return walk

    @property
    def cursor(self) -> Any:
        return self._taken() - self._has_one_in_hand()

    def _one_by_one(self) -> Generator[Any, None, None]:
        self.begun = True
        for item in compress(self._items, chain.from_iterable(self._segments())):
            try:
                yield item
            except BaseException:
                self._dropped = True
                raise

    def _has_one_in_hand(self) -> bool:
        walk = None if self._walk is None else self._walk()
        return self._dropped or (walk is not None and getgeneratorstate(walk) == GEN_SUSPENDED)

    def _taken(self) -> int:
        """The cursor behind the last item that was taken."""
        if self._segment is not None:
            return self._reached()
        # Not counted before it is taken: an error may be raised into the loop until then.
        place, tick = self._lone
        return max(self._done, place + 1 - length_hint(tick))

    @property
    def _end(self) -> int:
        return self._begun_at + len(_TICKS)

    def _is_left(self) -> bool:
        return True  # the next item is at hand when ticks are asked for

    def _segment_from(self, cursor: int) -> Any:
        self._begun_at = cursor
        return iter(_TICKS)

    def _one_at(self, cursor: int) -> Iterable[Any]:
        tick = iter(_TICKS[:1])
        self._lone = cursor, tick
        return tick

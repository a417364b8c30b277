"""The loop over a generator."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from inspect import GEN_CLOSED, GEN_RUNNING, getgeneratorstate
from itertools import chain, compress
from traceback import walk_tb
from types import GeneratorType
from typing import Any

from rq_steps.attention import Attention
from rq_steps.loops.cut import CutLoop
from rq_steps.loops.protocol import Checkpoint

_TICKS = (True,) * 4096


class GeneratorLoop(CutLoop):
    """Over a generator: for each item it takes one tick, and the segments are ticks.

    `compress` takes the item first, and keeps it while a cut segment is followed by a new one: so
    the checkpoint lies between two items, and none is lost. It takes less than half of the time of
    a generator around the generator.
    """

    __slots__ = ("_begun_at", "_items", "_took_one")

    def __init__(
        self,
        items: GeneratorType[Any, Any, Any],
        cursor: int,
        attention: Attention,
        checkpoint: Checkpoint,
    ) -> None:
        super().__init__(cursor, attention, checkpoint)
        self._items = items
        self._begun_at = cursor
        self._took_one = False

    def __iter__(self) -> Iterator[Any]:
        ticks = chain.from_iterable(self._segments())
        return compress(chain(self._items, self._after_the_last()), ticks)

    @property
    def cursor(self) -> Any:
        reached = self._done + self._took_one if self._segment is None else self._reached()
        return reached if self._is_asking() else max(reached - 1, self._done)

    def _is_asking(self) -> bool:
        """Does a generator run, or has it just raised, for the next item? Then none is in hand."""
        state = getgeneratorstate(self._items)
        # One that is closed may also have been read to its end by the body of the item in hand.
        # Once its exception has been caught that cannot be told: better done twice than never.
        return state == GEN_RUNNING or (state == GEN_CLOSED and _has_raised(self._items))

    @property
    def _end(self) -> int:
        return self._begun_at + len(_TICKS)

    def _is_left(self) -> bool:
        return True  # the next item is at hand when ticks are asked for

    def _segment_from(self, cursor: int) -> Any:
        self._begun_at, self._took_one = cursor, False
        return iter(_TICKS)

    def _one_at(self, cursor: int) -> Iterable[Any]:
        self._took_one = True
        return _TICKS[:1]

    def _after_the_last(self) -> Iterator[Any]:
        """Runs when the items have ended: the last one is done."""
        if self._segment is not None:
            self._done, self._segment = self._reached(), None
        elif self._took_one:
            self._done, self._took_one = self._done + 1, False
        self._attention.release()
        return
        yield


def _has_raised(generator: GeneratorType[Any, Any, Any]) -> bool:
    """Does the exception that is being handled come out of it, or the one in whose handling it was
    raised?"""
    error = sys.exc_info()[1]
    while error is not None:
        if any(frame.f_code is generator.gi_code for frame, _ in walk_tb(error.__traceback__)):
            return True
        error = error.__context__
    return False

"""Loops that run inside the interpreter until they are cut."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

from rq_steps.attention import Attention
from rq_steps.loops.protocol import Checkpoint


class CutLoop(ABC):
    """A loop inside the interpreter, at its own speed, until it is cut.

    It runs over segments: each is a built-in iterator, or like one, which can be moved
    (`__setstate__`) and tells what is left of it (`__length_hint__`). Whoever wants attention moves
    it to its end; then the generator behind the segments checkpoints, and goes on with a new one.
    The cut comes from a signal handler in the loop's own thread: no other Python code runs between
    its calls.
    """

    __slots__ = ("_attention", "_checkpoint", "_cut_at", "_done", "_segment", "begun")

    def __init__(self, cursor: int, attention: Attention, checkpoint: Checkpoint) -> None:
        self.begun = False
        self._done = cursor
        self._attention = attention
        self._checkpoint = checkpoint
        self._segment: Any = None
        self._cut_at: int | None = None

    @abstractmethod
    def __iter__(self) -> Iterator[Any]: ...

    @property
    @abstractmethod
    def _end(self) -> int:
        """The cursor behind the current segment."""

    @abstractmethod
    def _segment_from(self, cursor: int) -> Any:
        """A built-in iterator that begins at this cursor; None where nothing is left."""

    @abstractmethod
    def _one_at(self, cursor: int) -> Iterable[Any]:
        """A segment that holds the item at this cursor alone."""

    @property
    def cursor(self) -> Any:
        return self._in_hand()

    def close(self) -> None:
        """Where nothing is held open, there is nothing to do."""
        return

    def cut(self) -> None:
        """End the loop before its next item."""
        if self._segment is None or self._cut_at is not None:
            return
        self._cut_at = self._reached()
        self._segment.__setstate__(sys.maxsize)  # which is taken for its end
        next(self._segment, None)  # exhausted for good: a list that grows gives nothing more

    def _in_hand(self) -> int:
        if self._segment is None:
            return self._done
        return max(self._reached() - 1, self._done)

    def _segments(self) -> Iterator[Iterable[Any]]:
        self.begun = True
        while self._is_left():
            begun_at = self._done
            if self._attention.wanted:
                yield self._one_at(begun_at)
                self._done += 1
            else:
                yield self._begin_segment()
                self._done, self._segment = self._reached(), None
            moved = self._done > begun_at
            if moved and self._attention.wanted and self._is_left():
                self._checkpoint()
        self._attention.release()

    @abstractmethod
    def _is_left(self) -> bool:
        """May there be a further item?"""

    def _begin_segment(self) -> Iterable[Any]:
        self._cut_at = None
        self._segment = self._segment_from(self._done)
        self._attention.cuts(self)
        segment: Iterable[Any] = self._segment
        return segment

    def _reached(self) -> int:
        """The cursor behind the item in hand, if it were done."""
        left: int = self._segment.__length_hint__()
        # Looked at second: a cut between the two would have it that nothing is left.
        return self._end - left if self._cut_at is None else self._cut_at

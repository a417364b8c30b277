"""The loop over a list, tuple or range."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from rq_steps.attention import Attention
from rq_steps.loops.cut import CutLoop
from rq_steps.loops.protocol import Checkpoint
from rq_steps.loops.unbroken import unbroken_segments


class SequenceLoop(CutLoop):
    """Over a list, tuple or range: the segments are their own iterators."""

    __slots__ = ("_sequence",)

    def __init__(
        self, sequence: Sequence[Any], cursor: int, attention: Attention, checkpoint: Checkpoint
    ) -> None:
        super().__init__(cursor, attention, checkpoint)
        self._sequence = sequence

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(unbroken_segments(self._segments()))

    @property
    def _end(self) -> int:
        return len(self._sequence)

    def _is_left(self) -> bool:
        return self._done < len(self._sequence)

    def _segment_from(self, cursor: int) -> Any:
        segment: Any = iter(self._sequence)
        segment.__setstate__(cursor)
        return segment

    def _one_at(self, cursor: int) -> Iterable[Any]:
        return (self._sequence[cursor],)

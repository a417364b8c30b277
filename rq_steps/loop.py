"""The loops of `step.each`: they know which item is in hand, and check between two."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, Protocol

from rq_steps.attention import Attention
from rq_steps.sources import SequenceSource, Source

CHECKPOINT = Callable[[], None]


class Loop(Protocol):
    """A loop over a source."""

    @property
    def cursor(self) -> int:
        """The item in hand, or the next one where none is: what is still to be done."""

    def __iter__(self) -> Iterator[Any]: ...


def loop_over(
    source: Source[Any], cursor: int, attention: Attention, checkpoint: CHECKPOINT
) -> Loop:
    """The fastest loop that the source allows."""
    if isinstance(source, SequenceSource) and type(source.sequence) in (list, tuple, range):
        source.check(cursor)
        if attention.can_cut:
            return NativeLoop(source.sequence, cursor, attention, checkpoint)
    return PairLoop(source.open(cursor), cursor, attention, checkpoint)


class PairLoop:
    """A generator that moves the cursor after the body of an item has finished."""

    __slots__ = ("_attention", "_checkpoint", "_pairs", "cursor")

    def __init__(
        self,
        pairs: Iterator[tuple[Any, int]],
        cursor: int,
        attention: Attention,
        checkpoint: CHECKPOINT,
    ) -> None:
        self.cursor = cursor
        self._pairs = pairs
        self._attention = attention
        self._checkpoint = checkpoint

    def __iter__(self) -> Iterator[Any]:
        attention = self._attention
        for item, behind in islice(self._pairs, 1):
            yield item
            self.cursor = behind
        for item, behind in self._pairs:
            if attention.wanted:
                self._checkpoint()
            yield item
            self.cursor = behind


class NativeLoop:
    """Over a list, tuple or range: their own iterator runs, at its own speed, until it is cut.

    Such an iterator can be moved (`__setstate__`) and tells what is left (`__length_hint__`).
    Whoever wants attention moves it to its end; then the generator behind it checkpoints, and
    goes on with a new one. The cut comes from a signal handler in the loop's own thread: no
    Python code runs between its calls.
    """

    __slots__ = ("_attention", "_checkpoint", "_cut_at", "_done", "_iterator", "_sequence")

    def __init__(
        self,
        sequence: Sequence[Any],
        cursor: int,
        attention: Attention,
        checkpoint: CHECKPOINT,
    ) -> None:
        self._sequence = sequence
        self._done = cursor
        self._attention = attention
        self._checkpoint = checkpoint
        self._iterator: Any = None
        self._cut_at: int | None = None

    @property
    def cursor(self) -> int:
        if self._iterator is None:
            return self._done
        return max(self._reached() - 1, self._done)

    def cut(self) -> None:
        """End the loop before its next item."""
        if self._iterator is None or self._cut_at is not None:
            return
        self._cut_at = self._reached()
        self._iterator.__setstate__(len(self._sequence))
        next(self._iterator, None)  # exhausted for good: a list that grows gives nothing more

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self._segments())

    def _segments(self) -> Iterator[Iterable[Any]]:
        while self._done < len(self._sequence):
            begun_at = self._done
            if self._attention.wanted:
                yield self._one()
                self._done += 1
            else:
                yield self._rest()
                self._done, self._iterator = self._reached(), None
            moved = self._done > begun_at
            if moved and self._attention.wanted and self._done < len(self._sequence):
                self._checkpoint()
        self._attention.release()

    def _one(self) -> Iterable[Any]:
        return (self._sequence[self._done],)

    def _rest(self) -> Iterable[Any]:
        iterator: Any = iter(self._sequence)
        iterator.__setstate__(self._done)
        self._cut_at = None
        self._iterator = iterator
        self._attention.cuts(self)
        return iterator  # type: ignore[no-any-return]  # it is one of three built-in iterators

    def _reached(self) -> int:
        if self._cut_at is not None:
            return self._cut_at
        left: int = self._iterator.__length_hint__()
        return len(self._sequence) - left

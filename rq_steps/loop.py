"""The loops of `step.each`: they know which item is in hand, and check between two."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from inspect import GEN_CLOSED, GEN_RUNNING, getgeneratorstate
from itertools import chain, compress, islice
from traceback import walk_tb
from types import GeneratorType
from typing import Any, Protocol, TypeAlias

from rq_steps.attention import Attention
from rq_steps.sources import (
    IterableSource,
    Page,
    PagedSource,
    SequenceSource,
    Source,
    with_cursors,
)

Checkpoint: TypeAlias = Callable[[], None]


class Loop(Protocol):
    """A loop over a source."""

    @property
    def cursor(self) -> Any:
        """The item in hand, or the next one where none is: what is still to be done."""

    def __iter__(self) -> Iterator[Any]: ...

    def close(self) -> None:
        """The step is over: let go of what the source holds open."""


def loop_over(
    source: Source[Any], cursor: Any, attention: Attention, checkpoint: Checkpoint
) -> Loop:
    """The fastest loop that the source allows."""
    if isinstance(source, PagedSource):
        pages = Pages(source.pages(cursor), cursor)
        kind = PagesLoop if attention.can_cut else PagesWalk
        return kind(pages, attention, checkpoint)
    if not attention.can_cut:
        return PairLoop(source.open(cursor), cursor, attention, checkpoint)
    if isinstance(source, SequenceSource) and type(source.sequence) in (list, tuple, range):
        source.refuse_beyond(cursor)
        return SequenceLoop(source.sequence, cursor, attention, checkpoint)
    if isinstance(source, IterableSource):
        items = source.items(cursor)
        if isinstance(items, GeneratorType):
            return GeneratorLoop(items, cursor, attention, checkpoint)
        return PairLoop(with_cursors(items, cursor), cursor, attention, checkpoint)
    return PairLoop(source.open(cursor), cursor, attention, checkpoint)


class PairLoop:
    """A generator that moves the cursor after the body of an item has finished."""

    __slots__ = ("_attention", "_checkpoint", "_pairs", "cursor")

    def __init__(
        self,
        pairs: Iterator[tuple[Any, Any]],
        cursor: Any,
        attention: Attention,
        checkpoint: Checkpoint,
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

    def close(self) -> None:
        # A generator that the user made is his own: of those, the pairs are a zip.
        if isinstance(self._pairs, GeneratorType):
            self._pairs.close()


class CutLoop(ABC):
    """A loop inside the interpreter, at its own speed, until it is cut.

    It runs over segments: each is a built-in iterator, which can be moved (`__setstate__`) and
    tells what is left of it (`__length_hint__`). Whoever wants attention moves it to its end; then
    the generator behind the segments checkpoints, and goes on with a new one. The cut comes from a
    signal handler in the loop's own thread: no other Python code runs between its calls.
    """

    __slots__ = ("_attention", "_checkpoint", "_cut_at", "_done", "_segment")

    def __init__(self, cursor: int, attention: Attention, checkpoint: Checkpoint) -> None:
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


class SequenceLoop(CutLoop):
    """Over a list, tuple or range: the segments are their own iterators."""

    __slots__ = ("_sequence",)

    def __init__(
        self, sequence: Sequence[Any], cursor: int, attention: Attention, checkpoint: Checkpoint
    ) -> None:
        super().__init__(cursor, attention, checkpoint)
        self._sequence = sequence

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self._segments())

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


class Pages:
    """The pages of a source, one at a time, and where each begins, in items since the loop did."""

    __slots__ = ("_at", "_begin", "_pages")

    def __init__(self, pages: Iterator[Page[Any]], begin: Any) -> None:
        self._pages = pages
        first = next(pages, None)
        self._begin = begin
        # One attribute, so that page and place always go together.
        self._at: tuple[int, Page[Any] | None] = (0, first)

    def is_left(self, done: int) -> bool:
        """Is there an item behind so many? Then the page in hand is the one with that."""
        first, page = self._at
        while page is not None and done - first >= len(page.items):
            following = next(self._pages, None)
            if following is None:
                return False
            self._at = first, page = done, following
        return page is not None

    def current(self) -> tuple[int, Sequence[Any]]:
        """The page in hand, and the number of its first item."""
        first, page = self._at
        return first, () if page is None else page.items

    def cursor(self, done: int) -> Any:
        """The cursor behind so many items: they end in this page."""
        first, page = self._at
        return self._begin if page is None else page.cursor(done - first)

    def close(self) -> None:
        """Close a generator of pages."""
        if isinstance(self._pages, GeneratorType):
            self._pages.close()


class PagesLoop(CutLoop):
    """Over pages: the segments are the iterators of their items."""

    __slots__ = ("_pages",)

    def __init__(self, pages: Pages, attention: Attention, checkpoint: Checkpoint) -> None:
        super().__init__(0, attention, checkpoint)
        self._pages = pages

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self._segments())

    @property
    def cursor(self) -> Any:
        return self._pages.cursor(self._in_hand())

    def close(self) -> None:
        self._pages.close()

    @property
    def _end(self) -> int:
        first, items = self._pages.current()
        return first + len(items)

    def _is_left(self) -> bool:
        return self._pages.is_left(self._done)

    def _segment_from(self, cursor: int) -> Any:
        first, items = self._pages.current()
        segment: Any = iter(items)
        segment.__setstate__(cursor - first)
        return segment

    def _one_at(self, cursor: int) -> Iterable[Any]:
        first, items = self._pages.current()
        return (items[cursor - first],)


class PagesWalk:
    """Over pages, item by item."""

    __slots__ = ("_pages", "_walk")

    def __init__(self, pages: Pages, attention: Attention, checkpoint: Checkpoint) -> None:
        self._pages = pages
        pairs = with_cursors(chain.from_iterable(self._items_of_pages()), 0)
        self._walk = PairLoop(pairs, 0, attention, checkpoint)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._walk)

    @property
    def cursor(self) -> Any:
        return self._pages.cursor(self._walk.cursor)

    def close(self) -> None:
        self._pages.close()

    def _items_of_pages(self) -> Iterator[Sequence[Any]]:
        while self._pages.is_left(self._walk.cursor):
            yield self._pages.current()[1]


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

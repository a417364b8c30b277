"""Loops over what is read a page at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from rq_steps.attention import Attention
from rq_steps.loops.cut import CutLoop
from rq_steps.loops.pair import PairLoop
from rq_steps.loops.protocol import Checkpoint
from rq_steps.loops.unbroken import unbroken_segments
from rq_steps.sources.iterable import with_cursors
from rq_steps.sources.page import Page
from rq_steps.sources.protocol import close


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
        while page is not None and page.is_over(done - first):
            following = next(self._pages, None)
            if following is None:
                return False
            self._at = first, page = done, following
        return page is not None

    def current(self) -> tuple[int, Page[Any]]:
        """The page in hand, and the number of its first item."""
        first, page = self._at
        assert page is not None
        return first, page

    def cursor(self, done: int) -> Any:
        """The cursor behind so many items: they end in this page."""
        first, page = self._at
        return self._begin if page is None else page.cursor(done - first)

    def close(self) -> None:
        """Let go of what the source holds open."""
        close(self._pages)


class PagesLoop(CutLoop):
    """Over pages: each of them gives segments."""

    __slots__ = ("_pages",)

    def __init__(self, pages: Pages, attention: Attention, checkpoint: Checkpoint) -> None:
        super().__init__(0, attention, checkpoint)
        self._pages = pages

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(unbroken_segments(self._segments()))

    @property
    def cursor(self) -> Any:
        return self._pages.cursor(self._in_hand())

    def close(self) -> None:
        self._pages.close()

    @property
    def _end(self) -> int:
        first, page = self._pages.current()
        return first + page.end

    def _is_left(self) -> bool:
        return self._pages.is_left(self._done)

    def _segment_from(self, cursor: int) -> Any:
        first, page = self._pages.current()
        return page.segment(cursor - first)

    def _one_at(self, cursor: int) -> Iterable[Any]:
        first, page = self._pages.current()
        return page.one(cursor - first)


class PagesWalk:
    """Over pages, item by item.

    A cursor is made only when it is asked for: it may take a checksum.
    """

    __slots__ = ("_pages", "_walk")

    def __init__(self, pages: Pages, attention: Attention, checkpoint: Checkpoint) -> None:
        self._pages = pages
        pairs = with_cursors(chain.from_iterable(_items_of(pages)), 0)
        self._walk = PairLoop(pairs, 0, attention, checkpoint)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._walk)

    @property
    def begun(self) -> bool:
        return self._walk.begun

    @property
    def cursor(self) -> Any:
        return self._pages.cursor(self._walk.cursor)

    def close(self) -> None:
        self._pages.close()


def _items_of(pages: Pages) -> Iterator[Sequence[Any]]:
    """The items of each page. It knows no loop: in a cycle, a page would outlast the step."""
    done = 0
    while pages.is_left(done):
        _, page = pages.current()
        yield page.items
        done += len(page.items)

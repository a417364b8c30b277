"""The lines of a block as items."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import cached_property

from rq_steps.sources.blocks import Block
from rq_steps.sources.encodings import split
from rq_steps.sources.line_splitter import LineCount, LineSegment, LineSplitter
from rq_steps.sources.text_file import TextPage


class LinePage(TextPage[str]):
    """One at a time: no list of them is made unless somebody wants one.

    Args:
        text: of the block, each line with "\\n" as its end: to look for that of a last line without
            one, the splitter would ask for more, and be lost to a signal handler that came then.
        keepends: do the items have it, too?
    """

    end = LineCount.most

    def __init__(
        self, text: str, block: Block, record: int, splitter: LineSplitter, *, keepends: bool
    ) -> None:
        super().__init__(record, range(block.line, sys.maxsize), [block])
        self._text = text
        self._at = 0
        self._splitter = splitter
        self._keepends = keepends
        self._count = LineCount(keepends=keepends)
        self._segment: LineSegment | None = None

    @cached_property
    def items(self) -> list[str]:
        return split(self._text, keepends=self._keepends)

    @property
    def size(self) -> int:
        return self._count.taken or len(self.items)

    def is_over(self, done: int) -> bool:
        if self._count.taken < done:  # who takes the items counts them
            return done >= len(self.items)
        return self._at >= len(self._left())

    def segment(self, done: int) -> LineSegment:
        text = self._left()[self._at :]
        self._text, self._at = "", 0
        self._segment = LineSegment(self._splitter, text, self._count)
        return self._segment

    def one(self, done: int) -> Iterable[str]:
        text, begin = self._left(), self._at
        end = text.index("\n", begin)
        self._at = end + 1
        self._count.add_one()
        return (text[begin : end + 1] if self._keepends else text[begin:end],)

    def _left(self) -> str:
        """What no segment has given: the first lines, up to a place, were given one by one."""
        return self._text if self._segment is None else self._segment.rest

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
        self._rest = text
        self._splitter = splitter
        self._keepends = keepends
        self._count = LineCount(keepends=keepends)
        self._segment: LineSegment | None = None

    @cached_property
    def items(self) -> list[str]:
        return split(self._rest, keepends=self._keepends)

    @property
    def size(self) -> int:
        return len(self.items) if self._segment is None else self._count.taken

    def is_over(self, done: int) -> bool:
        if self._segment is None:
            return done > 0 and done >= len(self.items)
        return not self._segment.rest

    def segment(self, done: int) -> LineSegment:
        text = self._rest if self._segment is None else self._segment.rest
        self._rest = ""
        self._segment = LineSegment(self._splitter, text, self._count)
        return self._segment

    def one(self, done: int) -> Iterable[str]:
        segment = self.segment(done)
        line = next(segment)
        segment.__setstate__(self.end)
        return (line,)

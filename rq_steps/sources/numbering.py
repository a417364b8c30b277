"""Items with their numbers, which go on after a resume."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

from rq_steps.errors import InvalidStepError
from rq_steps.sources import source_of
from rq_steps.sources.protocol import Page, PagedSource
from rq_steps.sources.wrapped import check_kept, pages_of, refuse_other_fields
from rq_steps.values import JSON

T = TypeVar("T")


def numbered(source: Iterable[T], start: int = 0) -> Numbered[T]:
    """Pairs of a number and an item, as `enumerate` gives them; the number goes on after a resume.

    `enumerate(step.each(source))` would begin at 0 again.

    Args:
        source: whatever `step.each` takes.
        start: the first number. It has to be the same on resume.

    Raises:
        InvalidStepError, TypeError: as `step.each` of the source.
    """
    if isinstance(start, bool) or not isinstance(start, int):
        raise TypeError(f"the first number is an int, found {start!r}")
    return Numbered(source, start)


class Numbered(PagedSource[tuple[int, T]]):
    """The cursor is the next number, and the cursor of the source."""

    kind = "numbered source"

    def __init__(self, source: Iterable[T], start: int) -> None:
        self._source = source_of(source)
        self._start = start

    @property
    def contract(self) -> dict[str, JSON]:
        return {"start": self._start, "of": self._source.mark.dump()}

    @property
    def total(self) -> int | None:
        return self._source.total

    @property
    def unit(self) -> str:
        return self._source.unit

    def check(self, kept: Any) -> None:
        if self._start != kept["start"]:
            raise InvalidStepError(
                f"{self.kind}: found start={self._start}, expected start={kept['start']}"
            )
        check_kept(self._source, kept["of"])

    def pages(self, cursor: Any) -> Iterator[NumberedPage[T]]:
        if cursor is None:
            cursor = {"number": self._start, "cursor": None}
        refuse_other_fields(cursor, self.kind, "number", "cursor")
        number = cursor["number"]
        if type(number) is not int:
            raise InvalidStepError(f"{self.kind}: found number {number!r} in its cursor")
        for page in pages_of(self._source, cursor["cursor"]):
            yield NumberedPage(page, number)
            number += len(page.items)


class NumberedPage(Generic[T]):
    """A page whose first item has this number."""

    def __init__(self, page: Page[T], first: int) -> None:
        self.items = list(enumerate(page.items, first))
        self._page = page
        self._first = first

    def cursor(self, done: int) -> dict[str, Any]:
        return {"number": self._first + done, "cursor": self._page.cursor(done)}

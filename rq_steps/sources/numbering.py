"""Items with their numbers, which go on after a resume."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, Generic, TypeVar, overload

from rq_steps.errors import InvalidStepError
from rq_steps.sources.async_pairs import async_pairs_of, close
from rq_steps.sources.compound import Compound
from rq_steps.sources.given import async_source_of, is_async, source_of
from rq_steps.sources.page import ListPage, Page
from rq_steps.sources.paging import pages_of
from rq_steps.sources.protocol import AsyncSource, Described, PagedSource, Source
from rq_steps.values import JSON

T = TypeVar("T")


@overload
def numbered(source: Iterable[T], start: int = ...) -> Numbered[T]: ...


@overload
def numbered(source: AsyncIterable[T], start: int = ...) -> AsyncNumbered[T]: ...


def numbered(source: Any, start: int = 0) -> Any:
    """Pairs of a number and an item, as Python's `enumerate` gives them; the number goes on after a
    resume. `sources.enumerate` is another name of it.

    Python's own, as `enumerate(step.each(source))`, would begin at 0 again.

    Args:
        source: whatever `step.each` takes. Of an async iterable, the pairs are for `async for`.
        start: the first number. It has to be the same on resume.

    Raises:
        InvalidStepError, TypeError: as `step.each` of the source.
    """
    if isinstance(start, bool) or not isinstance(start, int):
        raise TypeError(f"the first number is an int, found {start!r}")
    return AsyncNumbered(source, start) if is_async(source) else Numbered(source, start)


enumerate = numbered


class Numbering(Compound):
    """The cursor is the next number, and the cursor of the source."""

    kind = "numbered source"

    def __init__(self, source: Described, start: int) -> None:
        self._source = source
        self._start = start

    @property
    def contract(self) -> dict[str, JSON]:
        return {"start": self._start, "of": self._source.mark.dump()}

    @property
    def total(self) -> int | None:
        return self._source.total

    @property
    def unit(self) -> str:
        unit: str = self._source.unit
        return unit

    def compare(self, found: Any, kept: Any) -> None:
        if found["start"] != kept["start"]:
            raise InvalidStepError(
                f"{self.kind}: found start={found['start']}, expected start={kept['start']}"
            )
        self.compare_part(self._source, found["of"], kept["of"])

    def place(self, cursor: Any) -> tuple[int, Any]:
        """The number, and the cursor of the source."""
        if cursor is None:
            return self._start, None
        number, within = self.parts(cursor, "number", "cursor")
        if type(number) is not int:
            raise InvalidStepError(f"{self.kind}: found number {number!r} in its cursor")
        return number, within


class Numbered(Numbering, PagedSource[tuple[int, T]]):
    """Over a sync source."""

    _source: Source[T]

    def __init__(self, source: Iterable[T], start: int) -> None:
        super().__init__(source_of(source), start)

    def pages(self, cursor: Any) -> Iterator[NumberedPage[T]]:
        number, within = self.place(cursor)
        for page in pages_of(self._source, within):
            yield NumberedPage(page, number)
            number += len(page.items)


class NumberedPage(ListPage[tuple[int, T]], Generic[T]):
    """A page whose first item has this number."""

    def __init__(self, page: Page[T], first: int) -> None:
        self.items = list(builtins.enumerate(page.items, first))
        self._page = page
        self._first = first

    def cursor(self, done: int) -> dict[str, Any]:
        return _cursor(self._first + done, self._page.cursor(done))


class AsyncNumbered(Numbering, AsyncSource[tuple[int, T]]):
    """Over an async source."""

    _source: AsyncSource[T]

    def __init__(self, source: AsyncIterable[T], start: int) -> None:
        super().__init__(async_source_of(source), start)

    def open(self, cursor: Any) -> AsyncIterator[tuple[tuple[int, T], Any]]:
        number, within = self.place(cursor)
        return Counting(async_pairs_of(self._source, within), number)


class Counting(Generic[T]):
    """Numbers and items, with the cursor behind each pair."""

    def __init__(self, pairs: AsyncIterator[tuple[T, Any]], first: int) -> None:
        self._pairs = pairs
        self._number = first

    def __aiter__(self) -> AsyncIterator[tuple[tuple[int, T], Any]]:
        return self

    async def __anext__(self) -> tuple[tuple[int, T], Any]:
        item, behind = await anext(self._pairs)
        number, self._number = self._number, self._number + 1
        return (number, item), _cursor(self._number, behind)

    async def aclose(self) -> None:
        await close(self._pairs)


def _cursor(number: int, of_source: Any) -> dict[str, Any]:
    return {"number": number, "cursor": of_source}

"""A loop within a loop, as one source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from rq_steps.errors import InvalidStepError
from rq_steps.sources import source_of
from rq_steps.sources.protocol import Page, PagedSource
from rq_steps.sources.wrapped import check_kept, pages_of, refuse_other_fields
from rq_steps.values import JSON

Outer = TypeVar("Outer")
Inner = TypeVar("Inner")


def nested(
    outer: Iterable[Outer], inner: Callable[[Outer], Iterable[Inner]]
) -> Nested[Outer, Inner]:
    """Pairs of an item of the outer source and one of the source that `inner` makes of it.

        for path, row in step.each(nested(paths, csv_rows)):

    On resume, `inner` is called again with the item in hand, and goes on where it was. If that item
    is gone by then, so is what it had left; whatever comes in its place is begun at its beginning.

    Args:
        outer: whatever `step.each` takes.
        inner: gives whatever `step.each` takes, the same each time that it is given the same item.

    Raises:
        InvalidStepError, TypeError: as `step.each` of the outer source.
    """
    return Nested(outer, inner)


class Nested(PagedSource[tuple[Outer, Inner]]):
    """A cursor holds the outer cursors before and behind the outer item in hand, the mark of the
    source that was made of it, and the cursor of that.

    The one before finds the item again. The one behind tells that it is the same: others may have
    been inserted before it, or it may be gone.
    """

    kind = "nested source"

    def __init__(self, outer: Iterable[Outer], inner: Callable[[Outer], Iterable[Inner]]) -> None:
        self._outer = source_of(outer)
        self._inner = inner

    @property
    def contract(self) -> dict[str, JSON]:
        return {"outer": self._outer.mark.dump()}

    def check(self, kept: Any) -> None:
        try:
            check_kept(self._outer, kept["outer"])
        except InvalidStepError as error:
            raise InvalidStepError(f"{self.kind}, outer source: {error}") from error

    def pages(self, cursor: Any) -> Iterator[InnerPage[Outer, Inner]]:
        if cursor is not None:
            refuse_other_fields(cursor, self.kind, "before", "behind", "of", "cursor")
        before = None if cursor is None else cursor["before"]
        for page in pages_of(self._outer, before):
            for index, item in enumerate(page.items):
                if cursor is not None and page.cursor(index + 1) == cursor["behind"]:
                    yield from self._within(page, index, item, cursor)
                    cursor = None
                else:
                    yield from self._within(page, index, item, None)

    def _within(
        self, page: Page[Outer], index: int, item: Outer, kept: Any
    ) -> Iterator[InnerPage[Outer, Inner]]:
        source = source_of(self._inner(item))
        if kept is not None:
            self._refuse_other(source, item, kept["of"])
        begin = None if kept is None else kept["cursor"]
        of = source.mark.dump()
        for inner in pages_of(source, begin):
            yield InnerPage(page, index, item, of, inner)

    def _refuse_other(self, source: Any, item: Outer, kept: JSON) -> None:
        try:
            check_kept(source, kept)
        except InvalidStepError as error:
            raise InvalidStepError(f"{self.kind}, inner source of {item!r}: {error}") from error


class InnerPage(Generic[Outer, Inner]):
    """A page of the source that was made of one item of an outer page."""

    def __init__(
        self, outer: Page[Outer], index: int, item: Outer, of: JSON, page: Page[Inner]
    ) -> None:
        self.items = [(item, each) for each in page.items]
        self._outer = outer
        self._index = index
        self._of = of
        self._page = page

    def cursor(self, done: int) -> dict[str, Any]:
        return {
            "before": self._outer.cursor(self._index),
            "behind": self._outer.cursor(self._index + 1),
            "of": self._of,
            "cursor": self._page.cursor(done),
        }

"""Several sources, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from rq_steps.errors import InvalidStepError
from rq_steps.sources import source_of
from rq_steps.sources.protocol import Page, PagedSource
from rq_steps.sources.wrapped import check_kept, pages_of, refuse_other_fields, total_of
from rq_steps.values import JSON

T = TypeVar("T")
Item = TypeVar("Item", covariant=True)


def chain(*sources: Iterable[T]) -> Chain[T]:
    """The items of the first source, then those of the next. None but the one in hand is open.

    Args:
        sources: whatever `step.each` takes, of different kinds if need be. They have to be as many
            on resume, and each has to be of the same kind.

    Raises:
        InvalidStepError, TypeError: as `step.each` of one of the sources.
    """
    return Chain(sources)


class Chain(PagedSource[T]):
    """The cursor is the index of a source, and the cursor of that source."""

    kind = "chain"

    def __init__(self, sources: Sequence[Iterable[T]]) -> None:
        self._sources = [source_of(each) for each in sources]

    @property
    def contract(self) -> list[JSON]:
        return [each.mark.dump() for each in self._sources]

    @property
    def total(self) -> int | None:
        return total_of(self._sources)[0]

    @property
    def unit(self) -> str:
        return total_of(self._sources)[1]

    def check(self, kept: Any) -> None:
        if len(self._sources) != len(kept):
            raise InvalidStepError(
                f"{self.kind}: found {len(self._sources)} sources, expected {len(kept)}"
            )
        for index, (source, mark) in enumerate(zip(self._sources, kept, strict=True)):
            try:
                check_kept(source, mark)
            except InvalidStepError as error:
                raise InvalidStepError(f"{self.kind}, source {index}: {error}") from error

    def pages(self, cursor: Any) -> Iterator[LinkPage[T]]:
        if cursor is None:
            cursor = {"source": 0, "cursor": None}
        refuse_other_fields(cursor, self.kind, "source", "cursor")
        begin, within = self._index(cursor["source"]), cursor["cursor"]
        for index, source in enumerate(self._sources[begin:], begin):
            for page in pages_of(source, within):
                yield LinkPage(page, index)
            within = None

    def _index(self, index: Any) -> int:
        if type(index) is not int or not 0 <= index <= len(self._sources):
            raise InvalidStepError(
                f"{self.kind}: the cursor is in source {index!r} of {len(self._sources)}"
            )
        return index


class LinkPage(Generic[Item]):
    """A page of the source with this index."""

    def __init__(self, page: Page[Item], index: int) -> None:
        self.items = page.items
        self._page = page
        self._index = index

    def cursor(self, done: int) -> dict[str, Any]:
        return {"source": self._index, "cursor": self._page.cursor(done)}

"""A loop within a loop, as one source."""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
)
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any, Generic, TypeVar, overload

from rq_steps.errors import InvalidStepError
from rq_steps.sources.async_iterable import AsyncIterableSource
from rq_steps.sources.async_pairs import async_pairs_of
from rq_steps.sources.compound import Compound
from rq_steps.sources.descent import Descent, nested_cursor
from rq_steps.sources.given import async_source_of, is_async, source_of
from rq_steps.sources.page import ListPage, Page
from rq_steps.sources.paging import pages_of
from rq_steps.sources.protocol import (
    AsyncSource,
    Described,
    PagedSource,
    Source,
    is_cut_anew,
)
from rq_steps.values import JSON

Outer = TypeVar("Outer")
Inner = TypeVar("Inner")
Made = TypeVar("Made", bound=Described)
Given = Iterable[Inner] | AsyncIterable[Inner]


@overload
def nested(
    outer: Iterable[Outer], inner: Callable[[Outer], Iterable[Inner]]
) -> Nested[Outer, Inner]: ...


@overload
def nested(
    outer: Iterable[Outer], inner: Callable[[Outer], AsyncIterable[Inner]]
) -> AsyncNested[Outer, Inner]: ...


@overload
def nested(
    outer: Iterable[Outer], inner: Callable[[Outer], Coroutine[Any, Any, Given[Inner]]]
) -> AsyncNested[Outer, Inner]: ...


@overload
def nested(
    outer: AsyncIterable[Outer],
    inner: Callable[[Outer], Given[Inner] | Coroutine[Any, Any, Given[Inner]]],
) -> AsyncNested[Outer, Inner]: ...


def nested(outer: Any, inner: Callable[[Any], Any]) -> Any:
    """Pairs of an item of the outer source and one of the source that `inner` makes of it.

        for path, row in step.each(nested(paths, csv_rows)):

    On resume, `inner` is called again with the item in hand, and goes on where it was. If that item
    is gone by then, so is what it had left; whatever comes in its place is begun at its beginning.

    The pairs are for `async for` if the outer source is async or `inner` is an `async def`: an
    async generator, or one that returns a source of either sort. Where neither tells, the outer
    source may be said to be async, by `async_source_of(outer)`.

    Args:
        outer: whatever `step.each` takes.
        inner: gives whatever `step.each` takes, the same each time that it is given the same item.

    Raises:
        InvalidStepError, TypeError: as `step.each` of the outer source.
    """
    if not callable(inner):
        raise TypeError(f"inner is a function that makes a source of an item, found {inner!r}")
    twin = AsyncNested if is_async(outer) or _is_async_maker(inner) else Nested
    return twin(outer, inner)


def _is_async_maker(inner: Callable[[Any], Any]) -> bool:
    """Does it give something async, as far as can be told before it is called?"""
    is_class = isinstance(inner, type) and is_async(inner)
    return is_class or isasyncgenfunction(inner) or iscoroutinefunction(inner)


class Nesting(Compound):
    """A cursor holds the outer cursors before and behind the outer item in hand, the mark of the
    source that was made of it, and the cursor of that.

    The one before finds the item again. The one behind tells that it is the same: others may have
    been inserted before it, or it may be gone.
    """

    kind = "nested source"

    def __init__(self, outer: Described) -> None:
        self._outer = outer
        self._has_made_such = False
        self._was_cut_otherwise = False

    @property
    def contract(self) -> dict[str, JSON]:
        cut: dict[str, JSON] = {"cut_anew": True} if is_cut_anew(self._outer) else {}
        return {"outer": self._outer.mark.dump()} | cut

    @property
    def is_cut_anew(self) -> bool:
        return self._has_made_such

    def compare(self, found: Any, kept: Any) -> None:
        self._was_cut_otherwise = kept.get("cut_anew", False)
        try:
            self.compare_part(self._outer, found["outer"], kept["outer"])
        except InvalidStepError as error:
            raise InvalidStepError(f"{self.kind}, outer source: {error}") from None

    def place(self, cursor: Any) -> Any:
        """The cursor before the outer item in hand."""
        if cursor is None:
            return None
        return self.parts(cursor, "before", "behind", "of", "cursor")[0]

    def is_first_or_none(self) -> bool:
        """Is the item in hand the first one from its place on, or gone? A smaller batch may end
        where a larger one did, of which it is only the rest. Known when the first one has come."""
        return self._was_cut_otherwise or is_cut_anew(self._outer)

    def noted(self, source: Made) -> Made:
        """A source that was made of an item."""
        self._has_made_such = self._has_made_such or is_cut_anew(source)
        return source

    def begin_within(self, source: Described, of: JSON, item: Any, kept: Any) -> Any:
        """Where to begin in the source that was made of an item, and has this mark, if this cursor
        was kept in it."""
        if kept is None:
            return None
        try:
            self.compare_part(source, of, kept["of"])
        except InvalidStepError as error:
            raise InvalidStepError(f"{self.kind}, inner source of {item!r}: {error}") from None
        return kept["cursor"]


class Nested(Nesting, PagedSource[tuple[Outer, Inner]]):
    """Of sync sources."""

    _outer: Source[Outer]

    def __init__(self, outer: Iterable[Outer], inner: Callable[[Outer], Iterable[Inner]]) -> None:
        super().__init__(source_of(outer))
        self._inner = inner

    def pages(self, cursor: Any) -> Iterator[InnerPage[Outer, Inner]]:
        for page in pages_of(self._outer, self.place(cursor)):
            for index, item in enumerate(page.items):
                is_in_hand = cursor is not None and page.cursor(index + 1) == cursor["behind"]
                yield from self._within(page, index, item, cursor if is_in_hand else None)
                if is_in_hand or self.is_first_or_none():
                    cursor = None

    def _within(
        self, page: Page[Outer], index: int, item: Outer, kept: Any
    ) -> Iterator[InnerPage[Outer, Inner]]:
        source = self._source_of(self._inner(item))
        of = source.mark.dump()
        begin = self.begin_within(source, of, item, kept)
        for inner in pages_of(source, begin):
            yield InnerPage(page, index, item, of, inner)

    def _source_of(self, given: Any) -> Source[Inner]:
        is_coroutine = isinstance(given, Coroutine)
        if is_coroutine:
            given.close()
        if is_coroutine or is_async(given):
            raise TypeError(
                f"{self.kind}: inner gave what is async ({type(given).__name__}), which could not "
                "be known: let inner be an `async def`, or the outer source async_source_of(...)"
            )
        return self.noted(source_of(given))


class InnerPage(ListPage[tuple[Outer, Inner]], Generic[Outer, Inner]):
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
        before, behind = self._outer.cursor(self._index), self._outer.cursor(self._index + 1)
        return nested_cursor(before, behind, self._of, self._page.cursor(done))


class AsyncNested(Nesting, AsyncSource[tuple[Outer, Inner]]):
    """Of sources one of which is async, or has to be awaited."""

    _outer: AsyncSource[Outer]

    def __init__(self, outer: Given[Outer], inner: Callable[[Outer], Any]) -> None:
        super().__init__(async_source_of(outer))
        self._inner = inner

    def open(self, cursor: Any) -> AsyncIterator[tuple[tuple[Outer, Inner], Any]]:
        before = self.place(cursor)
        outer = async_pairs_of(self._outer, before)
        return Descent(
            outer,
            before,
            cursor,
            self._source_of,
            self.begin_within,
            is_first_or_none=self.is_first_or_none,
        )

    async def _source_of(self, item: Outer) -> AsyncSource[Inner]:
        """The source that is made of an item."""
        given = await self._given(item)
        if isinstance(given, AsyncGenerator):
            return AsyncIterableSource(given, owned=True)
        return self.noted(async_source_of(given))

    async def _given(self, item: Outer) -> Any:
        try:
            given = self._inner(item)
            return await given if isinstance(given, Coroutine) else given
        except StopAsyncIteration as error:  # which would be taken for the end of the loop
            raise RuntimeError(f"{self.kind}: inner raised StopAsyncIteration") from error

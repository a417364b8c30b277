"""The protocol that every source follows."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rq_steps.errors import InvalidStepError
from rq_steps.record import SourceMark
from rq_steps.sources.page import Page
from rq_steps.values import JSON

Item = TypeVar("Item", covariant=True)


class Described:
    """What a source tells of itself."""

    if TYPE_CHECKING:
        # An attribute of the class or a property, as a source likes: pyright takes one in the place
        # of the other only where it is no property here.
        kind: Any
        unit: Any
    else:

        @property
        def kind(self) -> str:
            """What kind of source it is, as the record and the errors name it.

            A cursor belongs to its kind: another one in its place is refused.
            """
            return type(self).__name__

        @property
        def unit(self) -> str:
            """What `total` counts."""
            return "items"

    @property
    def contract(self) -> JSON:
        """What has to hold on resume: columns, order, the identity of a file. Small, plain JSON."""
        return None

    @property
    def total(self) -> int | None:
        """How much there is in all, where that is cheap to tell."""
        return None

    def check(self, kept: JSON) -> None:
        """Compare `contract` with the one that the cursor was kept with: here it has to be equal.

        Raises:
            InvalidStepError: it does not hold. It says what was found and what was expected.
        """
        found = self.mark.contract
        if found != kept:
            raise InvalidStepError(
                f"{self.kind}: found {json.dumps(found)}, expected {json.dumps(kept)}, "
                "which its cursor was kept with"
            )

    @property
    def mark(self) -> SourceMark:
        """What a cursor of this source is kept with.

        Raises:
            TypeError: the kind is no text, or the contract nothing that JSON can hold.
        """
        if not isinstance(self.kind, str):  # type checkers let anything pass
            raise TypeError(f"{type(self).__name__}: kind has to be a text, found {self.kind!r}")
        return SourceMark(self.kind, None, json.loads(json.dumps(self.contract)))


class Compared(Described, ABC):
    """Its contract may take opening a file: it is found once, and compared as it was found."""

    @abstractmethod
    def compare(self, found: Any, kept: Any) -> None:
        """Compare the contract that was just found with the one that the cursor was kept with.

        Raises:
            InvalidStepError: it does not hold.
        """

    def check(self, kept: JSON) -> None:
        self.compare(self.mark.contract, kept)

    @property
    def is_cut_anew(self) -> bool:
        """May its items be others on resume, as batches of another size are?"""
        return False


def is_cut_anew(source: Described) -> bool:
    """May the items of this source be others on resume, though what they are of is the same?"""
    return isinstance(source, Compared) and source.is_cut_anew


def compare(source: Described, found: JSON, kept: JSON) -> None:
    """Have a source, whose contract was just found, check the one that the cursor was kept with.

    Raises:
        InvalidStepError: it does not hold.
    """
    if isinstance(source, Compared):
        source.compare(found, kept)
    else:
        source.check(kept)


class Source(Described, ABC, Generic[Item]):
    """Gives items in a stable order, and the cursor behind each.

    The law: the items up to any cursor, followed by those of a fresh source opened at that
    cursor, are one uninterrupted pass. A subclass needs `open` and nothing else. The idea is
    Shopify's job-iteration.
    """

    @abstractmethod
    def open(self, cursor: Any) -> Iterator[tuple[Item, Any]]:
        """Each item from this cursor on, with the cursor behind it.

        A cursor is whatever a step can save, best plain JSON, and a new value each time. None is
        the beginning. If what is returned has a `close`, as generators have, that is called before
        the step ends.

        Raises:
            InvalidStepError: there is no such place in the source.
        """

    def __iter__(self) -> Iterator[Item]:
        """All items, from the first one on."""
        return (item for item, _ in self.open(None))


class AsyncSource(Described, ABC, Generic[Item]):
    """The twin of `Source` for `async for`: the law is the same."""

    @abstractmethod
    def open(self, cursor: Any) -> AsyncIterator[tuple[Item, Any]]:
        """Each item from this cursor on, with the cursor behind it. An async generator will do.

        If it has an `aclose`, as generators have, that is awaited before the step ends.

        Raises:
            InvalidStepError: there is no such place in the source.
        """

    def __aiter__(self) -> AsyncIterator[Item]:
        """All items, from the first one on."""
        return (item async for item, _ in self.open(None))


class Indexed(Described):
    """Its cursor is the number of items before it."""

    @property
    def mark(self) -> SourceMark:
        return SourceMark(self.kind, self.total)


def opening_cursor(source: Described, cursor: Any) -> Any:
    """The cursor to open a source at, where this one was kept, or none.

    Raises:
        InvalidStepError: it is no cursor of such a source.
    """
    if not isinstance(source, Indexed):
        return cursor
    index = 0 if cursor is None else cursor
    if type(index) is not int or index < 0:
        raise InvalidStepError(
            f"{source.mark.described} is gone on with at an index, found {cursor!r}"
        )
    return index


class IndexedSource(Indexed, Source[Item]):
    """A source whose cursor is the number of items before it."""


class PagedSource(Source[Item]):
    """A source that reads many items at once: a loop over them runs inside the interpreter."""

    @abstractmethod
    def pages(self, cursor: Any) -> Iterator[Page[Item]]:
        """The pages from this cursor on. A page may be empty.

        Raises:
            InvalidStepError: there is no such place in the source.
        """

    def open(self, cursor: Any) -> Iterator[tuple[Item, Any]]:
        for page in self.pages(cursor):
            for done, item in enumerate(page.items, 1):
                yield item, page.cursor(done)

    def __iter__(self) -> Iterator[Item]:
        return chain.from_iterable(page.items for page in self.pages(None))


def close(given: Iterator[Any]) -> None:
    """Let go of what a source holds open.

    A generator that the user made, and handed to `step.each`, is the user's: its pairs are a zip.
    """
    let_go = getattr(given, "close", None)
    if let_go is not None:
        let_go()


def unfit_cursor(source: str, fields: Iterable[str], cursor: Any) -> InvalidStepError:
    """A source cannot be opened at this cursor: it has other fields, or values that cannot be."""
    return InvalidStepError(
        f"{source} is gone on with at a cursor with {', '.join(fields)}, found {cursor!r}"
    )


def broken_off() -> InvalidStepError:
    """What is over without having ended is asked for more."""
    return InvalidStepError(
        "the source or a checkpoint has raised, or was given up waiting for, and the rest would be "
        "lost: let the error end the step, or wait within the source"
    )

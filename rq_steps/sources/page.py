"""A page: what a source has read at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

Item = TypeVar("Item", covariant=True)


class Page(ABC, Generic[Item]):
    """Some items in a row. Their cursors are not made before somebody asks.

    A loop goes through its segments, or takes its `items`, not both.
    """

    @property
    @abstractmethod
    def items(self) -> Sequence[Item]:
        """A list or a tuple."""

    @property
    @abstractmethod
    def end(self) -> int:
        """The number of items, or any that is higher."""

    @abstractmethod
    def is_over(self, done: int) -> bool:
        """Are so many items all that it has?"""

    @abstractmethod
    def segment(self, done: int) -> Any:
        """The items behind so many: a built-in iterator, or what is moved and counted as one. It
        counts what is left up to `end`."""

    @abstractmethod
    def one(self, done: int) -> Iterable[Item]:
        """The one item behind so many."""

    @abstractmethod
    def cursor(self, done: int) -> Any:
        """The cursor behind the first so many items: at 0 that of the first one itself."""


class ListPage(Page[Item]):
    """A page whose items are at hand."""

    items: Sequence[Item] = ()

    @property
    def end(self) -> int:
        return len(self.items)

    def is_over(self, done: int) -> bool:
        return done >= len(self.items)

    def segment(self, done: int) -> Any:
        segment: Any = iter(self.items)
        segment.__setstate__(done)
        return segment

    def one(self, done: int) -> Iterable[Item]:
        return (self.items[done],)

"""Lists, ranges, and whatever else has a length and an index: nothing is copied or skipped."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard, TypeVar

from rq_steps.errors import InvalidStepError
from rq_steps.sources.protocol import IndexedSource

T = TypeVar("T")


class SequenceSource(IndexedSource[T]):
    """The cursor is the index of the next item."""

    kind = "sequence"

    def __init__(self, sequence: Sequence[T]) -> None:
        self.sequence = sequence

    @property
    def total(self) -> int:
        return len(self.sequence)

    @property
    def is_built_in(self) -> bool:
        """Is it one that the interpreter itself iterates, and can cut in slices?"""
        return type(self.sequence) in (list, tuple, range)

    def open(self, cursor: int | None) -> Iterator[tuple[T, int]]:
        begin = cursor or 0
        self.refuse_beyond(begin)
        return self._items(begin)

    def refuse_beyond(self, cursor: int) -> None:
        """Refuse a cursor past the end."""
        if cursor > len(self.sequence):
            raise InvalidStepError(
                f"the cursor is {cursor}, but the sequence has only {len(self.sequence)} items"
            )

    def _items(self, index: int) -> Iterator[tuple[T, int]]:
        while index < len(self.sequence):
            yield self.sequence[index], index + 1
            index += 1


def is_sequence(given: Any) -> TypeGuard[Sequence[Any]]:
    """Does it have a length and an index? Whatever has keys, or is an Enum, is indexed
    by them, not by position. A deque walks to its index from one of its ends, each time."""
    if length_of(given) is None or isinstance(given, deque):
        return False
    if isinstance(given, Sequence):
        return True
    by_key = isinstance(given, Mapping | type) or hasattr(given, "keys")
    return not by_key and hasattr(given, "__getitem__")


def length_of(given: Any) -> int | None:
    """How many items it has, where it can tell: a progress bar around a generator has a length
    and cannot, nor can a range that is longer than Python counts."""
    if not hasattr(given, "__len__"):
        return None
    try:
        return len(given)
    except (TypeError, NotImplementedError, OverflowError):
        return None

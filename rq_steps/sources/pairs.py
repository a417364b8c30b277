"""What a source gives: its items, each with the cursor behind it."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Iterator
from typing import Any, TypeVar

from rq_steps.errors import InvalidStepError
from rq_steps.sources.mistaken import called
from rq_steps.sources.protocol import Source

T = TypeVar("T")


def pairs_of(source: Source[T], cursor: Any) -> Iterator[tuple[T, Any]]:
    """The items from this cursor on, each with the cursor behind it.

    Raises:
        InvalidStepError: there is no such place in the source.
        TypeError: what its `open` gives cannot be iterated.
    """
    pairs: Any = source.open(cursor)
    if not isinstance(pairs, Iterable):
        hint = ", which is for an AsyncSource" if isinstance(pairs, AsyncIterable) else ""
        raise TypeError(f"{source.kind}: open has to give an iterator, found {called(pairs)}{hint}")
    return iter(pairs)


def refuse_same(cursor: Any) -> None:
    """Refuse the cursor that was behind the item before, too: where it is changed in place, an item
    counts as done as soon as it is read.

    Raises:
        InvalidStepError: it is one that can be changed.
    """
    if isinstance(cursor, dict | list):
        raise InvalidStepError(
            f"found the same {type(cursor).__name__} behind two items, {cursor!r}: "
            "a source gives a new cursor each time"
        )

"""The protocol that every source follows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeVar

from rq_steps.record import SourceMark

Item = TypeVar("Item", covariant=True)


class Source(Protocol[Item]):
    """Gives items in a stable order, and the cursor behind each.

    The law: the items up to any cursor, followed by those of a fresh source opened at that
    cursor, are one uninterrupted pass. The idea is Shopify's job-iteration.
    """

    @property
    def mark(self) -> SourceMark:
        """What a cursor of this source is kept with."""

    def open(self, cursor: int) -> Iterator[tuple[Item, int]]:
        """Each item from this cursor on, with the cursor behind it.

        Raises:
            InvalidStepError: there is no such place in the source.
        """

"""What `step.each` iterates: a source gives items, and the cursor behind each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rq_steps.sources.iterable import IterableSource, refuse_unstable, with_cursors
from rq_steps.sources.protocol import Source
from rq_steps.sources.sequence import SequenceSource, is_sequence

__all__ = ["IterableSource", "SequenceSource", "Source", "source_of", "with_cursors"]


def source_of(given: Sequence[Any] | Iterable[Any]) -> Source[Any]:
    """The source over what a user handed to `step.each`.

    Raises:
        InvalidStepError: a set, or whatever else has no stable order.
        TypeError: something that cannot be iterated.
    """
    if is_sequence(given):
        return SequenceSource(given)
    refuse_unstable(given)
    return IterableSource(given)

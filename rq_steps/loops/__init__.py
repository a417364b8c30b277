"""The loops of `step.each`: they know which item is in hand, and check between two."""

from __future__ import annotations

from typing import Any

from rq_steps.attention import Attention
from rq_steps.loops.asynchronous import AsyncLoop
from rq_steps.loops.iterator import IteratorLoop
from rq_steps.loops.pages import Pages, PagesLoop, PagesWalk
from rq_steps.loops.pair import PairLoop
from rq_steps.loops.protocol import Checkpoint, Loop
from rq_steps.loops.sequence import SequenceLoop
from rq_steps.sources.iterable import IterableSource
from rq_steps.sources.pairs import pairs_of
from rq_steps.sources.protocol import PagedSource, Source
from rq_steps.sources.sequence import SequenceSource

__all__ = ["AsyncLoop", "Loop", "loop_over"]


def loop_over(
    source: Source[Any], cursor: Any, attention: Attention, checkpoint: Checkpoint
) -> Loop:
    """The fastest loop that the source allows."""
    if isinstance(source, PagedSource):
        pages = Pages(source.pages(cursor), cursor)
        kind = PagesLoop if attention.can_cut else PagesWalk
        return kind(pages, attention, checkpoint)
    if not attention.can_cut:
        return PairLoop(pairs_of(source, cursor), cursor, attention, checkpoint)
    if isinstance(source, SequenceSource) and source.is_built_in:
        source.refuse_beyond(cursor)
        return SequenceLoop(source.sequence, cursor, attention, checkpoint)
    if isinstance(source, IterableSource):
        return IteratorLoop(source.items(cursor), cursor, attention, checkpoint)
    return PairLoop(pairs_of(source, cursor), cursor, attention, checkpoint)

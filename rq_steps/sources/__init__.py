"""What `step.each` iterates: a source gives items, and the cursor behind each.

    from rq_steps.sources import csv_dicts, csv_rows, jsonl, lines, query, queryset, rows

These are loaded when they are asked for (PEP 562).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from rq_steps.sources.iterable import IterableSource, refuse_unstable, with_cursors
from rq_steps.sources.protocol import IndexedSource, Page, PagedSource, Source
from rq_steps.sources.sequence import SequenceSource, is_sequence
from rq_steps.sources.tables import query, queryset, rows, table_source

if TYPE_CHECKING:
    from rq_steps.sources.csv_file import csv_dicts as csv_dicts
    from rq_steps.sources.csv_file import csv_rows as csv_rows
    from rq_steps.sources.line_file import jsonl as jsonl
    from rq_steps.sources.line_file import lines as lines
    from rq_steps.sources.text_file import BadRecord as BadRecord
    from rq_steps.sources.text_file import BadRecordError as BadRecordError

__all__ = [
    "BadRecord",
    "BadRecordError",
    "IndexedSource",
    "IterableSource",
    "Page",
    "PagedSource",
    "SequenceSource",
    "Source",
    "csv_dicts",
    "csv_rows",
    "jsonl",
    "lines",
    "query",
    "queryset",
    "rows",
    "source_of",
    "with_cursors",
]

_ROOMS = {
    "BadRecord": "text_file",
    "BadRecordError": "text_file",
    "csv_dicts": "csv_file",
    "csv_rows": "csv_file",
    "jsonl": "line_file",
    "lines": "line_file",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'rq_steps.sources' has no attribute {name!r}")
    return getattr(import_module(f"rq_steps.sources.{_ROOMS[name]}"), name)


def source_of(given: Sequence[Any] | Iterable[Any]) -> Source[Any]:
    """The source over what a user handed to `step.each`: a source is its own.

    Raises:
        InvalidStepError: a set, or whatever else has no stable order.
        TypeError: something that cannot be iterated.
    """
    if isinstance(given, Source):
        return given
    table = table_source(given)
    if table is not None:
        return table
    if is_sequence(given):
        return SequenceSource(given)
    refuse_unstable(given)
    return IterableSource(given)

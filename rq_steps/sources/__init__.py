"""What `step.each` iterates: a source gives items, and the cursor behind each.

    from rq_steps.sources import csv_dicts, csv_rows, jsonl, lines, query, queryset, rows

These are loaded when they are asked for (PEP 562).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rq_steps.sources.given import async_source_of, source_of
from rq_steps.sources.protocol import AsyncSource, Source
from rq_steps.sources.tables import query, queryset, rows

if TYPE_CHECKING:
    from rq_steps.sources.batching import batches
    from rq_steps.sources.chaining import chain
    from rq_steps.sources.csv_file import csv_dicts, csv_rows
    from rq_steps.sources.line_file import jsonl, lines
    from rq_steps.sources.nesting import nested
    from rq_steps.sources.numbering import enumerate as enumerate
    from rq_steps.sources.numbering import numbered
    from rq_steps.sources.parquet import parquet_batches, parquet_rows
    from rq_steps.sources.text_file import BadRecord, BadRecordError

__all__ = [
    "AsyncSource",
    "BadRecord",
    "BadRecordError",
    "Source",
    "async_source_of",
    "batches",
    "chain",
    "csv_dicts",
    "csv_rows",
    "jsonl",
    "lines",
    "nested",
    "numbered",
    "parquet_batches",
    "parquet_rows",
    "query",
    "queryset",
    "rows",
    "source_of",
]

# `enumerate` is in here alone: a star import would hide Python's own.
_ROOMS = {
    "BadRecord": "text_file",
    "BadRecordError": "text_file",
    "batches": "batching",
    "chain": "chaining",
    "csv_dicts": "csv_file",
    "csv_rows": "csv_file",
    "enumerate": "numbering",
    "jsonl": "line_file",
    "lines": "line_file",
    "nested": "nesting",
    "numbered": "numbering",
    "parquet_batches": "parquet",
    "parquet_rows": "parquet",
}


if not TYPE_CHECKING:  # or type checkers would take any misspelt name for an Any

    def __getattr__(name: str) -> Any:
        if name not in _ROOMS:
            raise AttributeError(f"module 'rq_steps.sources' has no attribute {name!r}")
        return getattr(import_module(f"rq_steps.sources.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)

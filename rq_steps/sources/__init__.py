"""What `step.each` iterates: a source gives items, and the cursor behind each.

    from rq_steps.sources import csv_dicts, csv_rows, jsonl, lines, query, queryset, rows

These are loaded when they are asked for (PEP 562).
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar, cast

from rq_steps.sources.async_iterable import AsyncIterableSource
from rq_steps.sources.async_twin import AsyncTwin
from rq_steps.sources.iterable import IterableSource, refuse_unstable, with_cursors
from rq_steps.sources.protocol import (
    AsyncSource,
    Described,
    IndexedSource,
    Page,
    PagedSource,
    Source,
)
from rq_steps.sources.sequence import SequenceSource, is_sequence
from rq_steps.sources.tables import query, queryset, rows, table_source
from rq_steps.sources.unbroken import unbroken

if TYPE_CHECKING:
    from rq_steps.sources.batching import batches as batches
    from rq_steps.sources.chaining import chain as chain
    from rq_steps.sources.csv_file import csv_dicts as csv_dicts
    from rq_steps.sources.csv_file import csv_rows as csv_rows
    from rq_steps.sources.line_file import jsonl as jsonl
    from rq_steps.sources.line_file import lines as lines
    from rq_steps.sources.nesting import nested as nested
    from rq_steps.sources.numbering import numbered as numbered
    from rq_steps.sources.parquet import parquet_batches as parquet_batches
    from rq_steps.sources.parquet import parquet_rows as parquet_rows
    from rq_steps.sources.text_file import BadRecord as BadRecord
    from rq_steps.sources.text_file import BadRecordError as BadRecordError

T = TypeVar("T")

__all__ = [
    "AsyncIterableSource",
    "AsyncSource",
    "BadRecord",
    "BadRecordError",
    "Described",
    "IndexedSource",
    "IterableSource",
    "Page",
    "PagedSource",
    "SequenceSource",
    "Source",
    "async_source_of",
    "batches",
    "chain",
    "csv_dicts",
    "csv_rows",
    "is_async",
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
    "unbroken",
    "with_cursors",
]

_ROOMS = {
    "BadRecord": "text_file",
    "BadRecordError": "text_file",
    "batches": "batching",
    "chain": "chaining",
    "csv_dicts": "csv_file",
    "csv_rows": "csv_file",
    "jsonl": "line_file",
    "lines": "line_file",
    "nested": "nesting",
    "numbered": "numbering",
    "parquet_batches": "parquet",
    "parquet_rows": "parquet",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'rq_steps.sources' has no attribute {name!r}")
    return getattr(import_module(f"rq_steps.sources.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)


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


def async_source_of(given: Iterable[T] | AsyncIterable[T]) -> AsyncSource[T]:
    """The source for `async for` over what a user handed to `step.each`.

    An async source is its own. A sync one has the same cursor, and awaits nothing.

    Raises:
        InvalidStepError, TypeError: as `source_of`.
    """
    if isinstance(given, AsyncSource):
        return given
    if is_async(given):
        return AsyncIterableSource(given)
    return AsyncTwin(source_of(cast("Iterable[T]", given)))


def is_async(given: Any) -> TypeGuard[AsyncIterable[Any]]:
    """Is it for `async for` alone?"""
    return hasattr(given, "__aiter__") and not hasattr(given, "__iter__")

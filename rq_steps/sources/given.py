"""The source over what a user handed to `step.each`."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Sequence
from typing import Any, TypeGuard, TypeVar, cast

from rq_steps.sources.async_iterable import AsyncIterableSource
from rq_steps.sources.async_twin import AsyncTwin
from rq_steps.sources.given_table import refuse_result, table_source
from rq_steps.sources.iterable import IterableSource
from rq_steps.sources.mistaken import (
    refuse_class,
    refuse_text,
    refuse_uniterable,
    refuse_unstable,
)
from rq_steps.sources.protocol import AsyncSource, Source
from rq_steps.sources.sequence import SequenceSource, is_sequence

T = TypeVar("T")


def source_of(given: Sequence[Any] | Iterable[Any]) -> Source[Any]:
    """The source over what a user handed to `step.each`: a source is its own.

    Raises:
        InvalidStepError: a set, or whatever else has no stable order.
        TypeError: a text or a path, or something that cannot be iterated.
    """
    if isinstance(given, Source):
        return given
    table = table_source(given)
    if table is not None:
        return table
    refuse_text(given)
    refuse_uniterable(given)
    refuse_unstable(given)
    if is_sequence(given):
        return SequenceSource(given)
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
        refuse_class(given)
        refuse_result(given)
        return AsyncIterableSource(given)
    return AsyncTwin(source_of(cast("Iterable[T]", given)))


def is_async(given: Any) -> TypeGuard[AsyncIterable[Any]]:
    """Is it for `async for` alone?"""
    return hasattr(given, "__aiter__") and not hasattr(given, "__iter__")

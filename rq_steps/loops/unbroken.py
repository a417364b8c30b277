"""Loops that are not taken for ended where they were broken off.

A generator that has raised is over for good, and would tell whoever catches the error and asks
again that there is nothing more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, TypeVar

from rq_steps.sources.protocol import broken_off

T = TypeVar("T")


def unbroken(items: Iterator[T]) -> Iterator[T]:
    """The same items, and a refusal behind an error."""
    broken: list[bool] = []
    return chain(_noting(items, broken), _refusing(broken))


def unbroken_segments(segments: Iterator[Iterable[T]]) -> Iterator[Iterable[T]]:
    """The same for segments that are chained, which ends for good where they raise: here the error
    is raised by a segment of its own."""
    errors: list[Exception] = []
    try:
        yield from segments
    except Exception as error:
        errors.append(error)
    if errors:
        yield _raising(errors)
        raise broken_off()


def _noting(items: Iterator[T], broken: list[bool]) -> Iterator[T]:
    try:
        yield from items
    except Exception:
        broken.append(True)
        raise


def _refusing(broken: list[bool]) -> Iterator[Any]:
    if broken:
        raise broken_off()
    yield from ()


def _raising(errors: list[Exception]) -> Iterator[Any]:
    raise errors.pop()
    yield

"""What the examples of the pages have called, and what is to happen at a certain call."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, overload

T = TypeVar("T")

calls: list[tuple[str, object]] = []
_arranged: dict[tuple[str, object], Callable[[], None]] = {}


@overload
def done(what: str, with_what: object) -> None: ...


@overload
def done(what: str, with_what: object, *, gives: T) -> T: ...


def done(what: str, with_what: object, *, gives: object = None) -> object:
    """Called by what an example calls. Now happens, once, what was arranged for this call."""
    calls.append((what, with_what))
    happening = _arranged.pop((what, with_what), None)
    if happening is not None:
        happening()
    return gives


def all_of(what: str) -> list[object]:
    """What was called with what, in order."""
    return [argument for name, argument in calls if name == what]


@contextmanager
def recording() -> Iterator[None]:
    """Forget the calls of other tests."""
    calls.clear()
    _arranged.clear()
    yield
    left, calls[:] = dict(_arranged), []
    _arranged.clear()
    assert not left, f"never called: {list(left)}"


def during(what: str, with_what: object, happening: Callable[[], None]) -> None:
    """Have something happen at the first such call. It has to come."""
    _arranged[what, with_what] = happening


def stop() -> None:
    """The worker in this process is asked to shut down."""
    signal.raise_signal(signal.SIGTERM)


def fail() -> None:
    """An error that comes this once."""
    raise ValueError("this once")

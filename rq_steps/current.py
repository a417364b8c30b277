"""The continuation that the calling code belongs to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from rq_steps.continuation import Continuation
from rq_steps.errors import InvalidStepError
from rq_steps.handle import Step
from rq_steps.keeper import NoKeeper
from rq_steps.options import StepOptions
from rq_steps.record import Record, Run

_current: ContextVar[Continuation | None] = ContextVar("rq_steps.continuation", default=None)
# Only to refuse a step that is called where nothing is known of its continuable.
_running: set[Continuation] = set()


def is_rq_loaded() -> bool:
    """Are RQ's jobs loaded? Where they are not, there is none, and they need not be."""
    return "rq.job" in sys.modules


@contextmanager
def entered(continuation: Continuation) -> Iterator[None]:
    """Code that runs within is the continuable's."""
    token = _current.set(continuation)
    _running.add(continuation)
    try:
        yield
    finally:
        continuation.thread.end()
        _running.discard(continuation)
        _current.reset(token)


def current(caller: str) -> Continuation | None:
    """The continuation that the calling code runs in; `caller` is what is called there.

    Raises:
        InvalidStepError: called from a thread, or at a time, that is not the continuable's.
    """
    continuation = _current.get()
    if continuation is None:
        return None
    continuation.thread.refuse_stranger(f"{caller} was called")
    return continuation


def declare(declaration: object, name: str) -> None:
    """Remember a step that is declared inside a continuable: it should be called, too."""
    continuation = _current.get()
    if continuation is not None:
        continuation.pending.declared(declaration, name)


def refuse_stray(name: str, home: str) -> None:
    """Refuse what is called outside, while a job's continuable runs: in another thread, or in a
    context that was not copied from its own.

    Args:
        name: of what is called.
        home: whose thread and context it should be, and what is lost else.

    Raises:
        InvalidStepError: there is such a continuable.
    """
    for continuation in tuple(_running):
        if continuation.keeper.attended:
            is_near = continuation.thread.is_current
            place = "in another context" if is_near else "from another thread"
            raise InvalidStepError(f"{name} was called {place} than {home}")


def in_memory(job_id: str = "") -> Continuation:
    """A continuation that is kept nowhere; `job_id` is the job's that the caller runs in."""
    return Continuation(Record(Run("", None)), NoKeeper(job_id))


def loose_step(options: StepOptions) -> Step:
    """The Step of a step that is called outside any continuable: it is never interrupted."""
    return Step(options.name, options.start, in_memory())

"""The errors of rq-steps, and `Interrupt`, which is not one of them."""

from __future__ import annotations

from collections.abc import Iterator

ANOTHER_ROUND = "rq requeue gives it another round"
"""What messages say of a job that failed because it has reached a limit."""


class StepsError(Exception):
    """The base of every error of rq-steps. It fails the job: no `StepsError` is ever resumed."""


class InvalidStepError(StepsError):
    """A step that may not run here: repeated, nested, out of order, not the one to resume from."""


class UnadvanceableCursorError(StepsError):
    """`advance` was asked for the successor of a value that has none."""


class UnserializableError(StepsError):
    """A cursor or a result that could not be saved and restored as it was."""


class CheckpointError(StepsError):
    """A checkpoint inside an open database transaction, which an interruption would cut."""


class ResumeLimitError(StepsError):
    """The job reached `max_resumptions` or `max_total_runtime`."""


class NewerRecordError(StepsError):
    """The record was written by a newer rq_steps. The job is left to newer workers for a while."""


class Interrupt(BaseException):
    """Leaves the job at a checkpoint, to be resumed later.

    A `BaseException`, so that a user's `except Exception` lets it pass. It never leaves the
    continuable. The idea is Rails' `ActiveJob::Continuation::Interrupt`.
    """


def contains(error: BaseException, kind: type[BaseException]) -> bool:
    """Is it one of this kind, or a group with one in it?"""
    return any(isinstance(each, kind) for each in _singly(error))


def consists_of(error: BaseException, kinds: tuple[type[BaseException], ...]) -> bool:
    """Is it one of these kinds, or a group of nothing else?"""
    return all(isinstance(each, kinds) for each in _singly(error))


def _singly(error: BaseException) -> Iterator[BaseException]:
    members = getattr(error, "exceptions", ())
    if not members or not isinstance(members, tuple | list):  # others call something else so
        yield error
        return
    for each in members:
        yield from _singly(each)

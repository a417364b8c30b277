"""Where in a job something is to happen: at one of its checkpoints."""

from __future__ import annotations

from dataclasses import dataclass

from rq_steps.events import one_line


class NeverReachedError(AssertionError):
    """The job has ended, and did not come to a place where something was to happen."""


@dataclass(frozen=True)
class Place:
    """A checkpoint of a job. Exactly one of `after`, `during` and `checkpoint` says which.

    There is none before the first step that an execution runs, none after the last step, and in
    `step.each` none before the first item that an execution does.

    Raises:
        TypeError, ValueError: what is given names no checkpoint.
    """

    after: str | None = None
    """Between this step and the next."""
    during: str | None = None
    """Inside this step: at its first checkpoint, or at the one with this `cursor`."""
    cursor: object = None
    """The next thing to do there; None: whatever it is."""
    checkpoint: int | None = None
    """The nth that the job comes to, counted from 1 over all its executions."""

    def __post_init__(self) -> None:
        given = [
            name for name in ("after", "during", "checkpoint") if getattr(self, name) is not None
        ]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(f"a place is one of after, during and checkpoint, found {found}")
        if self.cursor is not None and self.during is None:
            raise ValueError(f"cursor belongs to during, and to nothing else: found {given[0]}")
        if self.checkpoint is None:
            refuse_no_name(given[0], getattr(self, given[0]))
        else:
            _refuse_no_count(self.checkpoint)

    def describe(self) -> str:
        """The place in words: `during 'import_rows' at cursor 2`."""
        if self.after is not None:
            return f"after '{self.after}'"
        if self.during is None:
            return f"at checkpoint {self.checkpoint}"
        at = "" if self.cursor is None else f" at cursor {one_line(self.cursor)}"
        return f"during '{self.during}'{at}"

    def matches(
        self, step: str | None, cursor: object, after: str | None, nth_checkpoint: int
    ) -> bool:
        """Is a checkpoint this place?

        Args:
            step: the step that has begun and not completed; None between two steps.
            cursor: that step's cursor.
            after: the step that completed last.
            nth_checkpoint: how many the job has come to, with this one.
        """
        if self.checkpoint is not None:
            return nth_checkpoint == self.checkpoint
        if self.after is not None:
            return step is None and after == self.after
        return step == self.during and (self.cursor is None or bool(cursor == self.cursor))


def refuse_no_name(option: str, name: object) -> None:
    """Refuse what is no name of a step.

    Raises:
        TypeError, ValueError: it is none.
    """
    if not isinstance(name, str):
        raise TypeError(f"{option} is the name of a step, a string: found {name!r}")
    if not name:
        raise ValueError(f"{option} is the name of a step: found an empty string")


def _refuse_no_count(checkpoint: object) -> None:
    if not isinstance(checkpoint, int) or isinstance(checkpoint, bool):
        raise TypeError(f"checkpoint is a number, from 1: found {checkpoint!r}")
    if checkpoint < 1:
        raise ValueError(f"checkpoint is counted from 1: found {checkpoint}")

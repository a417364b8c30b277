"""How the executions of a rehearsed job went."""

from __future__ import annotations

from dataclasses import dataclass

from rq_steps.events import Event
from rq_steps.values import JSON

FINISHED = "finished"
INTERRUPTED = "interrupted"
ERRORED = "errored"
FAILED = "failed"
CRASHED = "crashed"


@dataclass(frozen=True)
class Checkpoint:
    """Where a job was when it came to one."""

    number: int
    """Counted from 1, over all executions."""
    step: str | None
    """The step that was under way; None between two steps."""
    cursor: object
    after: str | None
    """The step that had completed last."""

    def __str__(self) -> str:
        if self.step is None:
            return f"checkpoint {self.number}, after '{self.after}'"
        return f"checkpoint {self.number}, in '{self.step}' at cursor {self.cursor!r}"


@dataclass(frozen=True)
class Execution:
    """How one execution of a rehearsed job went."""

    outcome: str
    """`finished`, `interrupted`, `errored` (and resumed), `failed` or `crashed`."""
    reason: str | None
    """Why it was interrupted."""
    wait: float
    """Seconds until the job comes back."""
    error: BaseException | None
    ran: tuple[str, ...]
    """The names of the steps that ran, begun here or resumed."""
    skipped: tuple[str, ...]
    """The names of the steps that had completed before."""
    checkpoints: tuple[Checkpoint, ...]
    saves: int
    """How often the record was saved."""
    record: dict[str, JSON]
    """What is left when it has ended, as `job.meta["rq_steps"]` shows it."""
    cursor: object
    """The next thing to do in the step that has not completed, as the next execution finds it."""
    events: tuple[Event, ...]

    @property
    def step(self) -> JSON:
        """The step that has begun and not completed."""
        return self.record["step"]

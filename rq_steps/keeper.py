"""Who keeps the record of a continuation, and knows when it has to leave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rq_steps.attention import Attention, Unattended
from rq_steps.events import Event

STOPPING = "stopping"
ISOLATED = "isolated"
MAX_RUNTIME = "max_runtime"
MAX_TOTAL_RUNTIME = "max_total_runtime"
TIMEOUT = "timeout"


@dataclass(frozen=True)
class Departure:
    """Why an execution leaves, and when the job comes back."""

    reason: str
    wait: float | None = None
    """Seconds; None: as the continuable's options say."""
    own: bool = False
    """Did the user's code ask for it?"""
    lost: bool = False
    """The job is no longer this execution's: superseded, canceled, deleted. It writes nothing."""


class Keeper(Protocol):
    """Whoever keeps the record of a continuation, and knows when it has to leave."""

    attention: Attention
    pickling: bool

    @property
    def job_id(self) -> str:
        """Names the job in events."""

    @property
    def stopping(self) -> bool:
        """Is the worker shutting down?"""

    @property
    def attended(self) -> bool:
        """Can the job be interrupted at all?"""

    def attend(self) -> Departure | None:
        """Answer a call for attention: save where that is due, and say whether to leave."""

    def save(self) -> Departure | None:
        """Save now."""

    def publish(self, event: Event) -> None:
        """Tell of a turn."""


class NoKeeper:
    """For a continuable that is called directly: it runs straight through, in memory."""

    pickling = True
    stopping = False
    attended = False

    def __init__(self, job_id: str = "") -> None:
        self.job_id = job_id
        self.attention: Attention = Unattended()

    def attend(self) -> Departure | None:
        return None

    def save(self) -> Departure | None:
        return None

    def publish(self, event: Event) -> None:
        pass

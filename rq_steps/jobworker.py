"""What an execution asks of the worker around it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

from rq_steps.attention import Attention
from rq_steps.outcome import Outcome


class JobWorker(Protocol):
    """What an execution asks of the worker around it, ours or RQ's own."""

    @property
    def key(self) -> str:
        """The worker's hash in Redis."""

    @property
    def stopping(self) -> bool:
        """Is it shutting down?"""

    def told_to_stop(self) -> None:
        """The worker's hash says that it is to shut down."""

    def calling(self, attention: Attention) -> AbstractContextManager[None]:
        """While this lasts, a request to shut down calls for attention."""

    def outcome(self, outcome: Outcome) -> Any:
        """What the job returns to this worker. May end the process."""

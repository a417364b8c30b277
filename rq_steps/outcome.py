"""How an execution that has not finished its job tells RQ so."""

from __future__ import annotations

from math import ceil
from typing import Any

from rq import Retry

_UNLIMITED = 2**31


class Outcome(Retry):
    """What a continuable returns to RQ in place of a result.

    Our workers put the job back by themselves. To a stock worker it is a `Retry`, which it
    honours, and counts; it is pickled as one, so that nobody needs rq_steps to read it.
    """

    def __init__(
        self,
        *,
        token: str,
        reason: str,
        wait: float = 0.0,
        front: bool = False,
        queue: str | None = None,
        lost: bool = False,
    ) -> None:
        super().__init__(max=_UNLIMITED, interval=ceil(wait))
        self.token = token
        self.reason = reason
        self.wait = wait
        """Seconds."""
        self.front = front
        self.queue = queue
        self.lost = lost
        """The job is somebody else's by now: it is not put back."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Retry, (self.max, self.intervals)

"""A clock that stands still until somebody moves it."""

from __future__ import annotations

from rq_steps.options import Seconds, seconds


class Clock:
    """The time of a rehearsal: its waits, `max_runtime` and job timeout go by it.

    The job's own code may move it, to stand for work that takes long.
    """

    def __init__(self) -> None:
        self.now = 1_000_000.0
        """Seconds."""
        self.per_checkpoint = 0.0
        """Seconds that go by until each checkpoint."""

    def __call__(self) -> float:
        return self.now

    def advance(self, by: Seconds) -> None:
        """Let so many seconds go by.

        Raises:
            TypeError, ValueError: no number of seconds, or a negative one.
        """
        self.now += seconds("by", by)

"""A clock that stands still until somebody moves it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

from rq.timeouts import JobTimeoutException

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
        self._alarm_at = inf

    def __call__(self) -> float:
        return self.now

    def advance(self, by: Seconds) -> None:
        """Let so many seconds go by.

        Raises:
            TypeError, ValueError: no number of seconds, or a negative one.
            JobTimeoutException: the job timeout is over meanwhile, as RQ would raise it.
        """
        self.now += seconds("by", by)
        if self.now > self._alarm_at:
            self.now, self._alarm_at = self._alarm_at, inf
            raise JobTimeoutException("Task exceeded maximum timeout value (of the rehearsal)")

    @contextmanager
    def timing(self, timeout: float | None) -> Iterator[None]:
        """An execution goes on within, for so many seconds at most."""
        self._alarm_at = self.now + timeout if timeout else inf
        try:
            yield
        finally:
            self._alarm_at = inf

"""The job timeout as a slice of the job, and not its end."""

from __future__ import annotations

from math import inf
from time import monotonic

LEAST = 0.05
MOST = 0.5


class Slices:
    """When an execution has to leave, so that RQ's job timeout does not cut an item in half.

    The margin before the timeout is the longest wait for a checkpoint that has been seen, at
    least 5 % of the timeout, at most half of it. Moments are on `time.monotonic`'s clock.
    """

    def __init__(self, timeout: float | None, began: float) -> None:
        self._began = began
        self._timeout = timeout if timeout is not None and timeout > 0 else inf
        self._longest_wait = 0.0

    def attended(self, called_at: float) -> None:
        """A checkpoint has answered the call of this moment."""
        self._longest_wait = max(self._longest_wait, monotonic() - called_at)

    @property
    def end(self) -> float:
        """The moment at which to leave."""
        if self._timeout == inf:
            return inf
        margin = min(max(self._longest_wait, LEAST * self._timeout), MOST * self._timeout)
        return self._began + self._timeout - margin

"""The job timeout as a slice of the job, and not its end."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from time import monotonic

LEAST = 0.05
MOST = 0.5
LOOKS = 20
"""How often in a slice the gap between two checkpoints is measured at least."""


class Slices:
    """When an execution has to leave, so that RQ's job timeout does not cut an item in half.

    The margin before the timeout is the longest gap between two checkpoints that has been seen, at
    least 5 % of the timeout, at most half of it. Moments are on the clock that is given.
    """

    def __init__(
        self, timeout: float | None, began: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self._clock = clock
        self._began = began
        self._timeout = timeout if timeout is not None and timeout > 0 else inf
        self._longest_gap = 0.0
        self._attended_at = clock()

    def attended(self, called_at: float) -> None:
        """A checkpoint has answered the call of this moment.

        Checkpoints that were not called for are not seen, so the gap is estimated. On average a
        call comes in its middle: it is twice what the call had to wait, and no longer than the time
        since the last answer.
        """
        now = self._clock()
        waited = max(now - called_at, 0.0)
        self._longest_gap = max(self._longest_gap, min(2 * waited, now - self._attended_at))
        self._attended_at = now

    @property
    def next_look(self) -> float:
        """The moment at which to have a look at the gaps once more."""
        return self._attended_at + self._timeout / LOOKS

    @property
    def end(self) -> float:
        """The moment at which to leave."""
        if self._timeout == inf:
            return inf
        margin = min(max(self._longest_gap, LEAST * self._timeout), MOST * self._timeout)
        return self._began + self._timeout - margin

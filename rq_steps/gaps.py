"""How long a job goes without a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic


class Gaps:
    """Measures the time between two checkpoints, against what a shutdown leaves the job.

    Checkpoints that were not called for are not seen. One is called for twice in the time that a
    shutdown leaves: so a gap that seems longer than that is longer. Moments are on the clock that
    is given.

    Args:
        longest: seconds.
    """

    def __init__(self, longest: float, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._longest = longest
        self._passed_at: float | None = None
        self._told: set[str] = set()

    @property
    def next_look(self) -> float:
        """The moment at which a checkpoint has to be seen."""
        return (self._passed_at or self._clock()) + self._longest / 2

    def ending(self, step: str) -> float | None:
        """A checkpoint is seen. The seconds since the one before, if those were too many; once for
        each step."""
        if self._passed_at is None or step in self._told:
            return None
        gap = self._clock() - self._passed_at
        if gap <= self._longest:
            return None
        self._told.add(step)
        return gap

    def passed(self) -> None:
        """Now the job goes on from its checkpoint."""
        self._passed_at = self._clock()

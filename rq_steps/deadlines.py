"""When an execution has to save, and when it has to leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf
from time import monotonic

from rq_steps.events import LongGap
from rq_steps.gaps import Gaps
from rq_steps.keeper import MAX_RUNTIME, MAX_TOTAL_RUNTIME, TIMEOUT, Keeper
from rq_steps.options import Options
from rq_steps.settings import GRACE
from rq_steps.slices import Slices

EAGER_SECONDS = 5.0
"""After a death every checkpoint is saved for so long: a job that dies young gets on."""


class Deadlines:
    """What one execution owes to its options, to the job timeout and to a shutdown.

    Moments are seconds on the clock that is given.

    Args:
        timeout: RQ's job timeout in seconds, if there is one.
        already_run: for how many seconds RQ has had the job run.
        ran_before: the seconds of the executions before.
        died: did the last of them die?
    """

    def __init__(
        self,
        options: Options,
        timeout: float | None,
        *,
        already_run: float = 0.0,
        ran_before: float = 0.0,
        died: bool = False,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._options = options
        self._clock = clock
        self._ran_before = ran_before
        self._died = died
        self._began = self._saved_at = clock()
        self._slices = Slices(timeout, self._began - already_run, clock)
        self._gaps = Gaps(GRACE, clock)

    @property
    def is_eager(self) -> bool:
        """Is every checkpoint to be saved?"""
        return self._died and self._clock() < self._began + EAGER_SECONDS

    @property
    def is_save_due(self) -> bool:
        return self.is_eager or self._clock() >= self._saved_at + self._options.save_every

    @property
    def reason_to_leave(self) -> str | None:
        """The limit that is reached, if one is."""
        now = self._clock()
        return next((reason for reason, moment in self._limits() if now >= moment), None)

    @property
    def next_call(self) -> float:
        """The moment at which a checkpoint has to look here again."""
        due = self._saved_at + self._options.save_every if self._options.save_every else inf
        looks = self._slices.next_look, self._gaps.next_look
        return min(due, *looks, *(moment for _, moment in self._limits()))

    @property
    def runtime(self) -> float:
        """Seconds of all executions, this one included."""
        return self._ran_before + self._clock() - self._began

    def forget_runtime(self) -> None:
        """From now on the seconds are counted anew."""
        self._ran_before = self._began - self._clock()

    def attended(self, called_at: float) -> None:
        """A checkpoint has answered the call of this moment."""
        self._slices.attended(called_at)

    def tell_of_gap(self, keeper: Keeper, step: str | None) -> None:
        """A checkpoint is seen in or after this step. Tells of the gap before it, if that is too
        long for a shutdown."""
        if step is None:
            return
        seconds = self._gaps.ending(step)
        if seconds is not None:
            keeper.publish(LongGap(keeper.job_id, step, seconds, GRACE))

    def passed(self) -> None:
        """The job goes on from its checkpoint."""
        self._gaps.passed()

    def saved(self) -> None:
        self._saved_at = self._clock()

    def _limits(self) -> Iterator[tuple[str, float]]:
        if self._options.max_total_runtime is not None:
            left = self._options.max_total_runtime - self._ran_before
            yield MAX_TOTAL_RUNTIME, self._began + left
        if self._options.max_runtime is not None:
            yield MAX_RUNTIME, self._began + self._options.max_runtime
        yield TIMEOUT, self._slices.end

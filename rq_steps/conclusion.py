"""How an execution ends: finished, interrupted, failed, or no longer the job's."""

from __future__ import annotations

import traceback
from asyncio import CancelledError
from typing import Any, Protocol

from rq import Retry
from rq.timeouts import BaseTimeoutException, JobTimeoutException

from rq_steps.continuation import Continuation
from rq_steps.errors import (
    ANOTHER_ROUND,
    Interrupt,
    ResumeLimitError,
    StepsError,
    consists_of,
    contains,
)
from rq_steps.events import (
    Errored,
    Event,
    Finished,
    Interrupted,
    Superseded,
    counted,
    logger,
    publish,
)
from rq_steps.jobworker import JobWorker
from rq_steps.keeper import ISOLATED, MAX_TOTAL_RUNTIME, STOPPING, Departure
from rq_steps.options import Options
from rq_steps.outcome import Outcome
from rq_steps.patience import GaveUp

LONGEST_TRACEBACK = 10_000
LONGEST_BACKOFF = 60.0

ERROR = "error"
REDIS = "redis"


class SaveLast(Protocol):
    """The save at the end of an execution. Answers why the job is lost, if it is."""

    def __call__(self, *, forget_runtime: bool = False) -> str | None: ...


class Conclusion:
    """What becomes of a job when its execution has left the continuable."""

    def __init__(
        self,
        continuation: Continuation,
        options: Options,
        worker: JobWorker,
        token: str,
        save_last: SaveLast,
    ) -> None:
        self._continuation = continuation
        self._record = continuation.record
        self._job_id = continuation.keeper.job_id
        self._options = options
        self._worker = worker
        self._token = token
        self._save_last = save_last

    def of(self, result: Any, error: BaseException | None) -> Any:
        """What RQ is told; or raises what it is to see. A departure counts before all else: user
        code may have swallowed the Interrupt, or raised something over it."""
        try:
            return self._of(result, error)
        except GaveUp as gave_up:
            return self._abandon(gave_up)

    def _of(self, result: Any, error: BaseException | None) -> Any:
        if isinstance(error, GaveUp):
            raise error
        departure = self._continuation.departure
        if departure is None and isinstance(error, SystemExit) and self._worker.stopping:
            departure = Departure(STOPPING)  # a cold shutdown, where there is no work-horse to kill
        if departure is not None:
            self._clear_away(error)
            return self._depart(departure)
        try:
            if error is None:
                self._continuation.finish()
        except StepsError as wrong:
            error = wrong
        return self._finish(result) if error is None else self._fail(error)

    def _clear_away(self, error: BaseException | None) -> None:
        """What user code raised over the Interrupt is told, and what its frames hold is closed:
        the process may end before anybody else does that."""
        if error is None:
            return
        if not consists_of(error, (Interrupt, GeneratorExit, CancelledError)):
            logger.warning("Job %s: raised while it was leaving", self._job_id, exc_info=error)
        traceback.clear_frames(error.__traceback__)

    def lost(self, why: str) -> Any:
        """The job is somebody else's: nothing is written, and RQ is told nothing."""
        publish(Superseded(self._job_id, *self._continuation.place, why))
        return self._worker.outcome(Outcome(token=self._token, reason=why, lost=True))

    def _abandon(self, gave_up: GaveUp) -> Any:
        """Nothing more can be saved. Should Redis be back by now, the job goes back as it was."""
        logger.error("Job %s: gives up: %s", self._job_id, gave_up)
        return self._worker.outcome(Outcome(token=self._token, reason=REDIS, front=True))

    def _finish(self, result: Any) -> Any:
        self._record.finished = not isinstance(result, Retry)  # RQ will have it run again
        lost = self._save_last()
        if lost:
            return self.lost(lost)
        done, executions = len(self._record.completed), self._record.executions
        publish(Finished(self._job_id, done, executions))
        return result

    def _depart(self, departure: Departure) -> Any:
        if departure.lost:
            return self.lost(departure.reason)
        if departure.reason == MAX_TOTAL_RUNTIME and not departure.own:
            return self._give_up(self._total_runtime_error(), forget_runtime=True)
        planned = departure.own or departure.reason != STOPPING
        if not planned and self._is_resumption_too_many():
            return self._give_up(self._limit_error())
        front = not departure.own and departure.reason in (STOPPING, ISOLATED)
        wait = self._wait(departure)
        place = self._continuation.place
        event = Interrupted(self._job_id, *place, departure.reason, wait)
        return self._leave(departure.reason, wait, front, event)

    def _fail(self, error: BaseException) -> Any:
        error = _timeout_behind(error) or error
        self._record.error = "".join(traceback.format_exception(error))[-LONGEST_TRACEBACK:]
        if not self._resumes(error):
            return self._give_up(error)
        if self._is_resumption_too_many():
            return self._give_up(self._limit_error(), cause=error)
        self._record.errors += 1
        wait = self._options.error_wait(self._record.errors)
        event = Errored(self._job_id, *self._continuation.place, error, wait)
        return self._leave(ERROR, wait, False, event)

    def _resumes(self, error: BaseException) -> bool:
        if not isinstance(error, Exception) or contains(error, StepsError):
            return False
        return self._options.resume_errors and self._continuation.advanced

    def _leave(self, reason: str, wait: float, front: bool, event: Event) -> Any:
        self._record.front = front
        self._record.fruitless = 0 if self._continuation.advanced else self._record.fruitless + 1
        lost = self._save_last()
        if lost:
            return self.lost(lost)
        publish(event)
        return self._worker.outcome(
            Outcome(
                token=self._token,
                reason=reason,
                wait=wait,
                front=front,
                queue=self._options.resume_queue,
            )
        )

    def _give_up(
        self,
        error: BaseException,
        *,
        cause: BaseException | None = None,
        forget_runtime: bool = False,
    ) -> Any:
        """The failure is RQ's to handle; the progress is kept, so that `rq requeue` goes on."""
        lost = self._save_last(forget_runtime=forget_runtime)
        if lost:
            return self.lost(lost)
        event = Errored(self._job_id, *self._continuation.place, error, None)
        publish(event)
        if isinstance(error, JobTimeoutException):  # it knows its job, and not the item
            error.args = (f"{error} {event.place}",)
        if cause is not None:
            error.__cause__ = cause
        raise error

    def _wait(self, departure: Departure) -> float:
        wait = self._options.resume_wait if departure.wait is None else departure.wait
        if departure.own and not wait and not self._continuation.advanced:
            doublings = min(self._record.fruitless, 10)
            return min(2.0**doublings - 1, LONGEST_BACKOFF)
        return wait

    def _is_resumption_too_many(self) -> bool:
        """Count a resumption that nobody planned; beyond the limit, the count starts anew."""
        limit = self._options.max_resumptions
        too_many = limit is not None and self._record.resumptions >= limit
        self._record.resumptions = 0 if too_many else self._record.resumptions + 1
        return too_many

    def _limit_error(self) -> ResumeLimitError:
        times = counted(self._options.max_resumptions or 0, "time")
        return ResumeLimitError(
            f"the job was resumed {times}, which is its max_resumptions: {ANOTHER_ROUND}"
        )

    def _total_runtime_error(self) -> ResumeLimitError:
        executions = counted(self._record.executions, "execution")
        return ResumeLimitError(
            f"the job ran for longer than its max_total_runtime of "
            f"{self._options.max_total_runtime:g} s, in {executions}: {ANOTHER_ROUND}"
        )


def _timeout_behind(error: BaseException) -> BaseException | None:
    """The job timeout that arrived while a value was pickled, and was taken for its fault."""
    cause: BaseException | None = error
    while isinstance(cause, StepsError):
        cause = cause.__cause__
    return cause if isinstance(cause, BaseTimeoutException) else None

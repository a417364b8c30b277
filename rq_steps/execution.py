"""One run of a job by one worker: claims it, watches clock and worker, and concludes."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from rq.serializers import DefaultSerializer

from rq_steps.attention import Attention
from rq_steps.continuation import Continuation, Departure
from rq_steps.errors import ResumeLimitError, StepsError
from rq_steps.events import (
    Errored,
    Event,
    Finished,
    Resumed,
    Started,
    Superseded,
    publish,
)
from rq_steps.events import (
    Interrupted as InterruptedEvent,
)
from rq_steps.meta import progress
from rq_steps.options import Options
from rq_steps.outcome import Interrupted
from rq_steps.slices import Slices
from rq_steps.store import STARTED, Answer, Store
from rq_steps.watch import Watch

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from rq.job import Job

LONGEST_TRACEBACK = 10_000
EAGER_SECONDS = 5.0
"""After a death every checkpoint is saved for so long: a job that dies young gets on."""
LONGEST_BACKOFF = 60.0

STOPPING = "stopping"
ISOLATED = "isolated"
MAX_RUNTIME = "max_runtime"
MAX_TOTAL_RUNTIME = "max_total_runtime"
TIMEOUT = "timeout"
ERROR = "error"


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

    def outcome(self, interrupted: Interrupted) -> Any:
        """What the job returns to this worker. May end the process."""


class Execution:
    """One execution of a continuable, and the keeper of its record."""

    attended = True

    def __init__(self, job: Job, options: Options, worker: JobWorker) -> None:
        self.job = job
        self.options = options
        self.worker = worker
        self.token = uuid4().hex
        self.attention = Attention()
        self.pickling = job.serializer is DefaultSerializer
        self._store = Store(job, self.token, worker.key)
        self._watch = Watch(self.attention)
        self._claim = self._store.claim()
        self._continuation = Continuation(self._claim.record, self)
        self._began = self._saved_at = monotonic()
        self._shown_at = -inf
        self._ran_before = self._claim.record.runtime
        self._slices = Slices(job.timeout, self._began)

    # The run

    def run(self, function: Callable[[], Any]) -> Any:
        """Call the continuable. Returns what RQ is to be told, or raises what it is to see."""
        result, error = None, None
        with self._under_way() as lost:
            if lost:
                return self._quiet(lost)
            try:
                result = function()
            except BaseException as raised:
                error = raised
        return self._conclude(result, error)

    async def run_async(self, function: Callable[[], Awaitable[Any]]) -> Any:
        """The same for a continuable that is awaited."""
        result, error = None, None
        with self._under_way() as lost:
            if lost:
                return self._quiet(lost)
            try:
                result = await function()
            except BaseException as raised:
                error = raised
        return self._conclude(result, error)

    @contextmanager
    def _under_way(self) -> Iterator[str | None]:
        """What has to stand while user code runs; gives why the job is lost, if it is."""
        if self._claim.status != STARTED:
            yield self._claim.status or "deleted"
            return
        self._announce()
        with ExitStack() as stack:
            stack.callback(self._watch.close)
            stack.enter_context(self.attention.handed_over())
            stack.enter_context(self.worker.calling(self.attention))
            stack.enter_context(self._continuation.entered())
            self._begin_watching()
            yield None

    def _announce(self) -> None:
        record = self._claim.record
        record.executions += 1
        if not self._claim.resumed:
            self.publish(Started(self.job_id))
            return
        self.publish(Resumed(self.job_id, *self._continuation.place, record.executions))

    def _begin_watching(self) -> None:
        if not self.options.save_every:
            self.attention.keep()
        if self.worker.stopping or self._eager:
            self.attention.call()
        self._watch.call_at(self._next_call())

    # What the continuation asks

    @property
    def job_id(self) -> str:
        return str(self.job.id)

    @property
    def stopping(self) -> bool:
        return self.worker.stopping

    def publish(self, event: Event) -> None:
        publish(event)

    def attend(self) -> Departure | None:
        self._slices.attended(self._watch.moment)
        self.attention.given()
        departure = self._reason_to_leave() or self._save_where_due()
        if self._eager:
            self.attention.call()
        self._watch.call_at(self._next_call())
        return departure

    def save(self) -> Departure | None:
        return self._heed(self._write())

    # When to save, and when to leave

    @property
    def _eager(self) -> bool:
        return self._claim.died and monotonic() < self._began + EAGER_SECONDS

    def _reason_to_leave(self) -> Departure | None:
        if self.worker.stopping:
            return Departure(STOPPING)
        now = monotonic()
        for reason, moment in self._limits():
            if now >= moment:
                return Departure(reason)
        return None

    def _limits(self) -> Iterator[tuple[str, float]]:
        if self.options.max_total_runtime is not None:
            yield MAX_TOTAL_RUNTIME, self._began + self.options.max_total_runtime - self._ran_before
        if self.options.max_runtime is not None:
            yield MAX_RUNTIME, self._began + self.options.max_runtime
        yield TIMEOUT, self._slices.end

    def _next_call(self) -> float:
        due = self._saved_at + self.options.save_every if self.options.save_every else inf
        return min(due, *(moment for _, moment in self._limits()))

    def _save_where_due(self) -> Departure | None:
        due = monotonic() >= self._saved_at + self.options.save_every
        return self.save() if due or self._eager else None

    def _heed(self, answer: Answer) -> Departure | None:
        if not answer.saved:
            return Departure(answer.state, lost=True)
        if answer.stopping:
            self.worker.told_to_stop()
            self.attention.call()
        return None

    def _write(self, *, last: bool = False) -> Answer:
        record = self._continuation.snapshot()
        now = monotonic()
        record.runtime = self._ran_before + now - self._began
        show = last or now >= self._shown_at + (self.options.save_every or 1.0)
        shown = progress(record, self._continuation.place[1]) if show else None
        if shown is not None:
            self._shown_at = now
            self.job.meta["rq_steps"] = shown
        answer = self._store.save(record, shown, release=last)
        self._saved_at = monotonic()
        return answer

    # How it ends

    def _conclude(self, result: Any, error: BaseException | None) -> Any:
        departure = self._continuation.departure
        if departure is not None:
            return self._depart(departure)
        try:
            if error is None:
                self._continuation.finish()
        except StepsError as wrong:
            error = wrong
        return self._finish(result) if error is None else self._fail(error)

    def _finish(self, result: Any) -> Any:
        record = self._claim.record
        record.finished = True
        lost = self._save_last()
        if lost:
            return self._quiet(lost)
        self.publish(Finished(self.job_id, len(record.completed), record.executions))
        return result

    def _depart(self, departure: Departure) -> Any:
        if departure.lost:
            return self._quiet(departure.reason)
        if departure.reason == MAX_TOTAL_RUNTIME and not departure.own:
            self._refuse_total_runtime()
        wait = self._wait(departure)
        self._count(planned=departure.own or departure.reason != STOPPING)
        front = not departure.own and departure.reason in (STOPPING, ISOLATED)
        event = InterruptedEvent(self.job_id, *self._continuation.place, departure.reason, wait)
        return self._leave(departure.reason, wait, front, event)

    def _fail(self, error: BaseException) -> Any:
        record = self._claim.record
        record.error = "".join(traceback.format_exception(error))[-LONGEST_TRACEBACK:]
        place = self._continuation.place
        if not self._resumes(error):
            lost = self._save_last()
            if lost:
                return self._quiet(lost)
            self.publish(Errored(self.job_id, *place, error, None))
            raise error
        self._count(planned=False, error=error)
        record.errors += 1
        wait = self.options.error_wait(record.errors)
        event = Errored(self.job_id, *place, error, wait)
        return self._leave(ERROR, wait, False, event)

    def _resumes(self, error: BaseException) -> bool:
        may_be_resumed = isinstance(error, Exception) and not isinstance(error, StepsError)
        return may_be_resumed and self.options.resume_errors and self._continuation.advanced

    def _leave(self, reason: str, wait: float, front: bool, event: Event) -> Any:
        record = self._claim.record
        record.front = front
        record.fruitless = 0 if self._continuation.advanced else record.fruitless + 1
        lost = self._save_last()
        if lost:
            return self._quiet(lost)
        self.publish(event)
        queue = self.options.resume_queue
        return self.worker.outcome(
            Interrupted(token=self.token, reason=reason, wait=wait, front=front, queue=queue)
        )

    def _quiet(self, why: str) -> Any:
        """The job is somebody else's: nothing is written, nobody is told."""
        self.publish(Superseded(self.job_id, *self._continuation.place, why))
        return self.worker.outcome(Interrupted(token=self.token, reason=why, lost=True))

    def _wait(self, departure: Departure) -> float:
        wait = departure.wait or self.options.resume_wait
        if departure.own and not wait and not self._continuation.advanced:
            doublings = min(self._claim.record.fruitless, 10)
            return min(2.0**doublings - 1, LONGEST_BACKOFF)
        return wait

    def _count(self, *, planned: bool, error: BaseException | None = None) -> None:
        """Count a resumption that nobody planned.

        Raises:
            ResumeLimitError: in place of the one that would exceed `max_resumptions`.
        """
        if planned:
            return
        record, limit = self._claim.record, self.options.max_resumptions
        if limit is None or record.resumptions < limit:
            record.resumptions += 1
            return
        record.resumptions = 0
        self._save_last()
        raise ResumeLimitError(
            f"the job was resumed {limit} times, which is its max_resumptions"
        ) from error

    def _refuse_total_runtime(self) -> None:
        record, limit = self._claim.record, self.options.max_total_runtime
        self._continuation.snapshot()
        self._ran_before = self._began - monotonic()  # so that the record says 0
        self._save_last()
        raise ResumeLimitError(
            f"the job ran for {limit:g} s in {record.executions} executions, "
            "which is its max_total_runtime"
        )

    def _save_last(self) -> str | None:
        """The save at the end of an execution. Answers why the job is lost, if it is."""
        answer = self._write(last=True)
        meta = self._store.latest_meta()
        if answer.saved and isinstance(meta, dict):
            self.job.meta = meta  # RQ may save the whole job: what others wrote survives it
        return None if answer.saved else answer.state

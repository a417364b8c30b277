"""One run of a job by one worker: claims it, and watches clock and worker."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from rq.job import JobStatus
from rq.serializers import DefaultSerializer
from rq.timeouts import BaseTimeoutException
from rq.utils import now

from rq_steps.attention import Attention
from rq_steps.conclusion import Conclusion
from rq_steps.continuation import Continuation
from rq_steps.current import entered
from rq_steps.deadlines import Deadlines
from rq_steps.events import Event, logger, publish
from rq_steps.jobworker import JobWorker
from rq_steps.keeper import STOPPING, Departure
from rq_steps.meta import KEY, progress
from rq_steps.options import Options
from rq_steps.patience import patiently
from rq_steps.pulse import Pulse
from rq_steps.settings import RENEW_EVERY
from rq_steps.signals import ALARM, ignoring
from rq_steps.store import Answer, Store
from rq_steps.values import JSON
from rq_steps.watch import Watch

if TYPE_CHECKING:
    from rq.job import Job

FINISHED_HERE = "rq_steps_finished_here"
"""The mark on a Job whose run this process has finished: should it fail after all, it goes on."""


class Execution:
    """One execution of a continuable, and the keeper of its record."""

    attended = True

    def __init__(self, job: Job, options: Options, worker: JobWorker, token: str) -> None:
        """Claim the job.

        Raises:
            NewerRecordError: a newer rq_steps wrote its record.
        """
        self.job = job
        self.options = options
        self.worker = worker
        self._process = os.getpid()
        self.attention = Attention()
        self.pickling = job.serializer is DefaultSerializer
        self._store = Store(job, token, worker.key)
        self._watch = Watch(self.attention)
        self._pulse = Pulse(self._store.renew, RENEW_EVERY)
        self._claim = patiently(self._store.claim, f"Job {job.id}")
        self._claim.record.max_resumptions = options.max_resumptions
        self._claim.record.resume_queue = options.resume_queue
        self._continuation = Continuation(self._claim.record, self)
        self._deadlines = Deadlines(
            options,
            job.timeout,
            already_run=_already_run(job),
            ran_before=self._claim.record.runtime,
            died=self._claim.died,
        )
        self._shown_at = -inf
        self._conclusion = Conclusion(self._continuation, options, worker, token, self._save_last)

    # The run

    def run(self, function: Callable[[], Any]) -> Any:
        """Call the continuable. Returns what RQ is to be told, or raises what it is to see."""
        result, error = None, None
        with ExitStack() as ending:
            with self._under_way() as lost:
                if lost:
                    return self._conclusion.lost(lost)
                try:
                    result = self._call(function, ending)
                except BaseException as raised:
                    error = raised
                self._end_if_forked(error)
            return self._conclusion.of(result, error)

    def _end_if_forked(self, error: BaseException | None) -> None:
        """A process that user code has forked comes back out of it: the job is its parent's."""
        if os.getpid() == self._process:
            return
        if error is not None and not isinstance(error, SystemExit):
            logger.error("Job %s: raised in a process of its own", self.job_id, exc_info=error)
        logging.shutdown()
        os._exit(_exit_status(error))

    def close(self) -> None:
        """RQ has closed its books on the job: it need not be known to be alive any more."""
        self._pulse.close()

    def _call(self, function: Callable[[], Any], ending: ExitStack) -> Any:
        """RQ's alarm is for user code. It strikes but once, and must not fail a job that leaves."""
        try:
            self._continuation.announce(resumed=self._claim.resumed)
            return function()
        finally:
            ending.enter_context(ignoring(ALARM))

    @contextmanager
    def _under_way(self) -> Iterator[str | None]:
        """What has to stand while user code runs; gives why the job is lost, if it is."""
        if self._claim.status != JobStatus.STARTED:
            yield self._claim.status or "deleted"
            return
        with ExitStack() as stack:
            stack.callback(self._watch.close)
            self._pulse.start()
            stack.enter_context(self.attention.handed_over())
            stack.enter_context(self.worker.calling(self.attention))
            stack.enter_context(entered(self._continuation))
            self._begin_watching()
            yield None

    def _begin_watching(self) -> None:
        if not self.options.save_every:
            self.attention.always()
        if self.worker.stopping or self._deadlines.is_eager:
            self.attention.call()
        self._watch.call_at(self._deadlines.next_call)

    # What the continuation asks

    @property
    def job_id(self) -> str:
        return str(self.job.id)

    @property
    def stopping(self) -> bool:
        return self.worker.stopping

    def publish(self, event: Event) -> None:
        publish(event, passing=(BaseTimeoutException,))

    def attend(self) -> Departure | None:
        self._deadlines.attended(self._watch.moment)
        self._deadlines.tell_of_gap(self, self._continuation.latest_step)
        self.attention.answered()
        departure = self._reason_to_leave() or self._save_where_due()
        if self._deadlines.is_eager:
            self.attention.call()
        self._deadlines.passed()
        self._watch.call_at(self._deadlines.next_call)
        return departure

    def save(self) -> Departure | None:
        self._deadlines.tell_of_gap(self, self._continuation.latest_step)
        departure = self._heed(self._write())
        self._deadlines.passed()
        return departure

    # When to save, and when to leave

    def _reason_to_leave(self) -> Departure | None:
        reason = STOPPING if self.worker.stopping else self._deadlines.reason_to_leave
        return Departure(reason) if reason else None

    def _save_where_due(self) -> Departure | None:
        if not self._deadlines.is_save_due:
            return None
        return self.save() or self._reason_to_leave()  # a save may tell of a shutdown

    def _heed(self, answer: Answer) -> Departure | None:
        if not answer.saved:
            return Departure(answer.state, lost=True)
        if answer.stopping:
            self.worker.told_to_stop()
            self.attention.call()
        return None

    def _write(self, *, last: bool = False) -> Answer:
        record = self._continuation.snapshot()
        record.runtime = self._deadlines.runtime
        now = monotonic()
        show = last or now >= self._shown_at + (self.options.save_every or 1.0)
        shown = progress(record, self._continuation.place[1]) if show else None
        if shown is not None:
            self._shown_at = now
            self._show_in_memory(shown)
        save = partial(self._store.save, record, shown, release=last)
        answer = patiently(save, f"Job {self.job_id}")
        self._deadlines.saved()
        return answer

    def _show_in_memory(self, shown: dict[str, JSON]) -> None:
        """A `save_meta()` in user code must not roll back what Redis shows."""
        if isinstance(self.job.meta, dict):
            self.job.meta[KEY] = shown

    def _save_last(self, *, forget_runtime: bool = False) -> str | None:
        """The save at the end of an execution. Answers why the job is lost, if it is."""
        if forget_runtime:
            self._deadlines.forget_runtime()
        try:
            answer = self._write(last=True)
        except BaseTimeoutException:  # of a timer in place of the alarm; it strikes but once, too
            answer = self._write(last=True)
        if self._claim.record.finished:
            vars(self.job)[FINISHED_HERE] = True
        meta = self._store.latest_meta()
        if answer.saved and isinstance(meta, dict):
            self.job.meta = meta  # RQ may save the whole job: what others wrote survives it
        return None if answer.saved else answer.state


def _exit_status(error: BaseException | None) -> int:
    """As Python ends a process."""
    if error is None:
        return os.EX_OK
    code = error.code if isinstance(error, SystemExit) else 1
    return code & 0xFF if isinstance(code, int) else int(code is not None)


def _already_run(job: Job) -> float:
    """For how many seconds RQ has had the job run: first it imports the job's module."""
    return (now() - job.started_at).total_seconds() if job.started_at else 0.0

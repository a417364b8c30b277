"""One execution of a rehearsed job, in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rq_steps.attention import Attention
from rq_steps.conclusion import ERROR, Conclusion
from rq_steps.current import entered
from rq_steps.deadlines import Deadlines
from rq_steps.events import (
    Event,
    StepSkipped,
    StepStarted,
    publish,
    subscribe,
)
from rq_steps.keeper import STOPPING, Departure
from rq_steps.options import Options
from rq_steps.outcome import Outcome
from rq_steps.testing.clock import Clock
from rq_steps.testing.execution import CRASHED, ERRORED, FAILED, FINISHED, INTERRUPTED, Execution
from rq_steps.testing.memory import Memory
from rq_steps.testing.plan import Plan
from rq_steps.testing.round_trip import CheckedContinuation
from rq_steps.testing.strikes import Crash


class Performance:
    """Keeps the record of one execution in memory, and is the worker around it."""

    attended = True
    key = ""

    def __init__(
        self,
        job_id: str,
        options: Options,
        memory: Memory,
        plan: Plan,
        clock: Clock,
        timeout: float | None,
    ) -> None:
        self.job_id = job_id
        self.pickling = memory.pickling
        self.attention = Attention()
        self.attention.always()
        self.stopping = False
        self._memory = memory
        self._plan = plan
        self._clock = clock
        self._resumed = not memory.is_empty
        record = memory.load()
        self._deadlines = Deadlines(
            options,
            timeout,
            ran_before=record.runtime,
            died=bool(record.deaths),
            clock=clock,
        )
        self._continuation = CheckedContinuation(record, self)
        self._conclusion = Conclusion(self._continuation, options, self, "", self._save_last)
        self._timeout = timeout
        self._attended_at = clock.now
        self._came = len(plan.checkpoints)
        self._known = len(record.completed)
        self._saves = 0
        self._events: list[Event] = []
        self._dead = False
        self._failed = False
        self._error: BaseException | None = None
        self._interrupted: Outcome | None = None

    def run(self, function: Callable[[], Any]) -> Any:
        """Call the continuable. Returns what RQ would be told, or raises what it would see."""
        with self._listening():
            result, error = self._call(function)
            if self._dead:
                return None
            try:
                return self._conclusion.of(result, error)
            except BaseException as raised:
                self._error, self._failed = raised, True
                raise

    @property
    def execution(self) -> Execution:
        """How it went."""
        interrupted, error = self._interrupted, self._error
        reason = interrupted.reason if interrupted else None
        return Execution(
            outcome=self._outcome,
            reason=None if reason == ERROR else reason,
            wait=interrupted.wait if interrupted else 0.0,
            error=error,
            ran=tuple(each.step for each in self._events if isinstance(each, StepStarted)),
            skipped=tuple(each.step for each in self._events if isinstance(each, StepSkipped)),
            checkpoints=tuple(self._plan.checkpoints[self._came :]),
            saves=self._saves,
            record=self._memory.shown(),
            cursor=self._memory.cursor,
            events=tuple(self._events),
        )

    # The keeper

    def attend(self) -> Departure | None:
        self._clock.advance(self._clock.per_checkpoint)
        self._deadlines.attended(self._attended_at)
        self._attended_at = self._clock.now
        self._deadlines.tell_of_gap(self, self._continuation.latest_step)
        self._continuation.check_cursor()
        departure = self._departure()
        self._deadlines.passed()
        return departure

    def save(self) -> Departure | None:
        if self._dead:
            return None
        crash = self._crash_of_completion()
        if crash is not None:
            return crash.hit(self)
        self.store()
        return None

    def publish(self, event: Event) -> None:
        publish(event)

    # The victim

    def store(self) -> None:
        self._saves += 1
        record = self._continuation.snapshot()
        record.runtime = self._deadlines.runtime
        self._memory.save(record)
        self._deadlines.saved()

    def die(self) -> Departure:
        self._dead = True
        return Departure(CRASHED, lost=True)

    # The worker

    def outcome(self, outcome: Outcome) -> Outcome:
        self._interrupted = outcome
        return outcome

    def told_to_stop(self) -> None:
        self.stopping = True

    @contextmanager
    def calling(self, attention: Attention) -> Iterator[None]:
        yield

    # How it goes

    @contextmanager
    def _listening(self) -> Iterator[None]:
        unsubscribe = subscribe(self._events.append)
        try:
            yield
        finally:
            unsubscribe()

    def _call(self, function: Callable[[], Any]) -> tuple[Any, BaseException | None]:
        with entered(self._continuation):
            self._continuation.announce(resumed=self._resumed)
            try:
                with self._clock.timing(self._timeout):
                    return function(), None
            except BaseException as error:
                self._error = None if self._dead else error
                return None, error

    def _departure(self) -> Departure | None:
        strike = self._plan.come_to(*self._continuation.place)
        if strike is not None:
            return strike.hit(self)
        reason = STOPPING if self.stopping else self._deadlines.reason_to_leave
        if reason is None and self._deadlines.is_save_due:
            return self.save()
        return Departure(reason) if reason else None

    def _crash_of_completion(self) -> Crash | None:
        completed = self._continuation.record.completed
        if len(completed) == self._known:
            return None
        self._known = len(completed)
        return self._plan.complete(completed[-1].name)

    def _save_last(self, *, forget_runtime: bool = False) -> str | None:
        if forget_runtime:
            self._deadlines.forget_runtime()
        self.store()
        return None

    @property
    def _outcome(self) -> str:
        if self._dead:
            return CRASHED
        if self._failed:
            return FAILED
        if self._interrupted is None:
            return FINISHED
        return ERRORED if self._interrupted.reason == ERROR else INTERRUPTED

"""A job that is performed in memory, through as many executions as it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import contextmanager
from inspect import iscoroutinefunction, unwrap
from typing import TYPE_CHECKING, Any

from rq.exceptions import TimeoutFormatError
from rq.utils import parse_timeout

from rq_steps.continuable_function import Performer, performer
from rq_steps.events import Died
from rq_steps.keeper import MAX_TOTAL_RUNTIME, STOPPING
from rq_steps.options import Options, Seconds, seconds
from rq_steps.performing import is_run_by
from rq_steps.poison import why_buried
from rq_steps.step_function import BoundStep, StepFunction
from rq_steps.testing.call import Call
from rq_steps.testing.clock import Clock
from rq_steps.testing.errors import RehearsalError
from rq_steps.testing.execution import CRASHED, FINISHED, Execution
from rq_steps.testing.memory import Memory
from rq_steps.testing.performance import Performance
from rq_steps.testing.place import NeverReachedError, Place, refuse_no_name
from rq_steps.testing.plan import Plan
from rq_steps.testing.strikes import Crash, Failure, Interruption, Strike, refuse_no_strike
from rq_steps.values import JSON, decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rq_steps.events import Event
    from rq_steps.head import Death

MOST_EXECUTIONS = 1000
LAST_SHOWN = 8


class Rehearsal:
    """A job without Redis, RQ or processes: its record is text in memory, its clock stands still.

    What is to happen to it is said first, and `run` performs it to its end:

        rehearsal = Rehearsal(process_import, 42)
        rehearsal.interrupt(during="import_rows", cursor=2)
        assert rehearsal.run().result == 3

    A place is `after` a step, `during` a step (at its first checkpoint, or where it is at
    `cursor`), or a `checkpoint` by its number, counted from 1 over all executions. Each happens
    once; one that the job never comes to is an error when it has ended.

    Args:
        function: the continuable.
        job_id: names the job in events and logs.
        job_timeout: seconds, or what RQ takes, such as "10m"; None for no timeout.
        serializer: `pickle` or `json`: with RQ's JSON serializer nothing is ever pickled.

    The other arguments are the continuable's. Each execution has copies, as in a worker.

    Raises:
        TypeError, ValueError: `job_timeout` or `serializer` is not what it has to be.
        RehearsalError: RQ could not enqueue the job with these arguments, or it is a step, or what
            the continuable returned.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *args: Any,
        job_id: str = "rehearsal",
        job_timeout: Seconds | str | None = 180,
        serializer: str = "pickle",
        **kwargs: Any,
    ) -> None:
        if serializer not in ("pickle", "json"):
            raise ValueError(f"serializer must be 'pickle' or 'json', found {serializer!r}")
        _refuse_other_than_functions(function)
        self.clock = Clock()
        self.result: Any = None
        """What the continuable returned."""
        self.executions: list[Execution] = []
        self._call = Call(function, args, kwargs, pickling=serializer == "pickle")
        self._function = function
        self._job_id = job_id
        self._timeout = _timeout(job_timeout)
        self._memory = Memory(pickling=serializer == "pickle")
        self._plan = Plan()

    def __repr__(self) -> str:
        name, times = _name_of(self._function), len(self.executions)
        return f"<rehearsal of {name}: {self.outcome} after {times} executions>"

    # What is to happen

    def interrupt(
        self,
        *,
        after: str | None = None,
        during: str | None = None,
        cursor: object = None,
        checkpoint: int | None = None,
        reason: str = STOPPING,
    ) -> None:
        """Have the job interrupted there: by a deploy, or for `max_runtime`, `timeout`, or a
        reason of your own."""
        self.strike(Interruption(Place(after, during, cursor, checkpoint), reason))

    def crash(
        self,
        *,
        after: str | None = None,
        during: str | None = None,
        cursor: object = None,
        checkpoint: int | None = None,
        saved: bool = False,
    ) -> None:
        """Have the process die there: only what was saved survives. With `saved`, that was just
        before. After a step, it dies before the step is recorded, or with `saved` just then.

        What no test can do: `finally` and `except BaseException` of your code still run.
        """
        self.strike(Crash(Place(after, during, cursor, checkpoint), saved))

    def fail(
        self,
        error: BaseException,
        *,
        after: str | None = None,
        during: str | None = None,
        cursor: object = None,
        checkpoint: int | None = None,
    ) -> None:
        """Raise an error there."""
        self.strike(Failure(Place(after, during, cursor, checkpoint), error))

    def start_at(
        self, step: str, cursor: object = None, completed: Mapping[str, object] | None = None
    ) -> None:
        """Begin in the middle: in this step, at this cursor.

        Args:
            completed: the steps before it, by name in their order, with their results.

        Raises:
            RehearsalError: it has been run already.
            TypeError, ValueError: that is no name of a step, or `completed` no mapping.
            UnserializableError: the cursor or a result cannot be kept.
        """
        refuse_no_name("step", step)
        if not isinstance(completed, Mapping | None):
            raise TypeError(
                f"completed has results by the names of their steps, found {completed!r}: "
                "as in completed={'validate': 10}"
            )
        if not self._memory.is_empty:
            raise RehearsalError("start_at comes before the first run, and only once")
        self._memory.begin_at(step, cursor, completed or {})

    def strike(self, strike: Strike) -> None:
        """Have this happen to the job; `interrupt`, `crash` and `fail` are made of it.

        Raises:
            TypeError: it is no strike.
        """
        refuse_no_strike(strike)
        self._plan.strikes.append(strike)

    # The run

    def run(self) -> Rehearsal:
        """Perform the job to its end, through as many executions as it takes; returns itself.

        Whoever calls it again after a failure does what `rq requeue` does.

        Raises:
            NeverReachedError: the job has ended, and never came to a place that was named.
            RehearsalError: the job does not end, has finished already, or is no continuable.
            AbandonedJobError: it died too often in one place.
            Exception: what the job fails with, as RQ would see it.
        """
        __tracebackhide__ = True  # pytest shows the test's own line, and the message
        if self.executions and self.outcome == FINISHED:
            raise RehearsalError("the job has finished: make a new Rehearsal")
        self._refuse_running_loop()
        for _ in range(MOST_EXECUTIONS):
            execution = self._perform()
            if execution.outcome == FINISHED:
                self._refuse_what_was_never_come_to()
                return self
            self.clock.advance(execution.wait)
        raise RehearsalError(
            f"the job has not ended after {MOST_EXECUTIONS} executions, the last of which ended "
            f"at step {execution.step!r}, cursor {execution.cursor!r}"
        )

    @property
    def outcome(self) -> str | None:
        """Of the last execution; None before the first."""
        return self.executions[-1].outcome if self.executions else None

    @property
    def record(self) -> dict[str, JSON]:
        """What is saved, as `job.meta["rq_steps"]` shows it."""
        return self._memory.shown()

    @property
    def events(self) -> list[Event]:
        """Of all executions."""
        return [event for execution in self.executions for event in execution.events]

    def _perform(self) -> Execution:
        performance: Performance | None = None

        def perform(continuable: Callable[..., Any], options: Options) -> Performance | None:
            nonlocal performance
            if performance is not None or not is_run_by(self._function, continuable):
                return None
            _refuse_without_limit(self._plan.strikes, options)
            performance = Performance(
                self._job_id, options, self._memory, self._plan, self.clock, self._timeout
            )
            return performance

        try:
            with _performed_by(perform):
                result = self._call()
        finally:
            if performance is not None:
                self._note(performance.execution)
        if performance is None:
            name = _name_of(self._function)
            raise RehearsalError(f"{name} is no continuable: decorate it with @continuable")
        if self.outcome == FINISHED:
            self.result = result
        return self.executions[-1]

    def _refuse_running_loop(self) -> None:
        if iscoroutinefunction(unwrap(self._function)) and _is_in_loop():
            name = _name_of(self._function)
            raise RehearsalError(
                f"{name} brings an event loop of its own, as in a worker: rehearse it in a test "
                "that is no coroutine, or in a thread, by asyncio.to_thread"
            )

    def _note(self, execution: Execution) -> None:
        self.executions.append(execution)
        if execution.outcome == CRASHED:
            self._bury_if_poison()

    def _bury_if_poison(self) -> None:
        from rq.exceptions import AbandonedJobError

        death, is_one_too_many = self._memory.die()
        if is_one_too_many:
            raise AbandonedJobError(why_buried(death, self._place_of(death)))

    def _refuse_what_was_never_come_to(self) -> None:
        __tracebackhide__ = True
        if not self._plan.strikes:
            return
        calls = ", ".join(strike.call for strike in self._plan.strikes)
        came = [str(each) for each in self._plan.checkpoints]
        shown = "\n  ".join(came[-LAST_SHOWN:]) or "to none"
        last = f"its last {LAST_SHOWN} of {len(came)}" if len(came) > LAST_SHOWN else "its"
        raise NeverReachedError(
            f"the job has ended and never came to: {calls}; {last} checkpoints:\n  {shown}"
        )

    def _place_of(self, death: Death) -> str:
        cursor = decode(death.cursor, pickling=self._memory.pickling)
        died = Died(self._job_id, death.step, cursor, None, death.deaths, failed=True)
        return died.place


def _refuse_other_than_functions(function: Callable[..., Any]) -> None:
    if not callable(function):
        if isinstance(function, Coroutine):
            function.close()
        raise RehearsalError(
            f"found {function!r}, which is no continuable: give the function itself, and what it "
            "is called with behind it, as in Rehearsal(process_import, 42)"
        )
    if isinstance(function, StepFunction | BoundStep):
        raise RehearsalError(
            f"{_name_of(function)} is a step: rehearse a continuable that calls it"
        )


def _refuse_without_limit(strikes: Iterable[Strike], options: Options) -> None:
    reasons = [each.reason for each in strikes if isinstance(each, Interruption)]
    if options.max_total_runtime is None and MAX_TOTAL_RUNTIME in reasons:
        raise RehearsalError(
            f"it cannot be interrupted for {MAX_TOTAL_RUNTIME}: its continuable has none"
        )


def _timeout(given: Seconds | str | None) -> float | None:
    """As RQ reads it: -1 is none."""
    if isinstance(given, str):
        try:
            given = parse_timeout(given)
        except TimeoutFormatError as error:
            message = f"job_timeout must be a number of seconds, or as '10m': found {given!r}"
            raise ValueError(message) from error
    return None if given in (None, -1) else seconds("job_timeout", given)


def _name_of(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", repr(function))


def _is_in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@contextmanager
def _performed_by(perform: Performer) -> Iterator[None]:
    token = performer.set(perform)
    try:
        yield
    finally:
        performer.reset(token)

"""A job without Redis, RQ or a clock: its record is JSON text in memory."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from rq_steps.attention import Attention
from rq_steps.continuation import Continuation
from rq_steps.current import entered
from rq_steps.errors import StepsError
from rq_steps.events import Event
from rq_steps.keeper import Departure
from rq_steps.record import Completed, Record, Run

Attend = Callable[["Execution"], Departure | None]

STOPPING = Departure("stopping")


class Crash(BaseException):
    """Stands for SIGKILL: of the execution only what it had saved survives."""


class Job:
    """What outlives an execution.

    Where it is `native`, loops run inside the interpreter until they are cut; else each item is
    looked at by a generator, as it is in any other thread than the main one.
    """

    def __init__(self, *, native: bool = True, pickling: bool = True) -> None:
        self.native = native
        self.pickling = pickling
        self.head: str | None = None
        self.completed: list[str] = []
        self.running: Execution | None = None

    def execute(
        self,
        continuable: Callable[[], object],
        attend: Attend | None = None,
        *,
        every: bool = False,
    ) -> Execution:
        """Run it once, as one worker does. With `every`, each checkpoint calls `attend`."""
        self.running = Execution(self, attend)
        if every:
            self.running.attention.always()
        return self.running.run(continuable)

    def execute_until_done(
        self, continuable: Callable[[], object], *, at_most: int = 100
    ) -> object:
        for _ in range(at_most):
            execution = self.execute(continuable)
            if execution.error is not None:
                raise execution.error
            if execution.departure is None:
                return execution.result
        raise AssertionError(f"not done after {at_most} executions")

    def call(self, departure: Departure | None = STOPPING) -> None:
        """As a signal handler does: the execution leaves at its next checkpoint."""
        self.arrange(departure).call()

    def call_from_thread(self, departure: Departure | None = STOPPING) -> None:
        """As the clock does: from another thread, while the main one is somewhere in user code."""
        attention = self.arrange(departure)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(attention.call_from_thread).result()

    def arrange(self, departure: Departure | None) -> Attention:
        """Have the next checkpoint that is looked at answer so."""
        assert self.running is not None
        self.running.answer = departure
        return self.running.attention

    @property
    def record(self) -> Record:
        """As the next execution will find it."""
        if self.head is None:
            return Record(Run("2024-02-29T01:02:03Z", None))
        return Record.load(self.head, Completed.load_all(",".join(self.completed)))

    @property
    def names(self) -> list[str]:
        """Of the completed steps."""
        return [done.name for done in self.record.completed]

    @property
    def cursor(self) -> object:
        """Of the current step, as JSON carries it."""
        current = self.record.current
        assert current is not None
        return current.cursor

    def save(self, record: Record) -> None:
        self.completed += [done.dump() for done in record.completed[len(self.completed) :]]
        self.head = record.head()


class Execution:
    """One run of a job, and the keeper of its record."""

    attended = True
    job_id = "a job"

    def __init__(self, job: Job, attend: Attend | None = None) -> None:
        self.job = job
        self.pickling = job.pickling
        self.attention = Attention()
        self.stopping = False
        self.answer: Departure | None = None
        """What `attend` answers, where nothing else was given."""
        self.lost: Departure | None = None
        """What `save` answers."""
        self.attended_count = 0
        self.saved_count = 0
        self.events: list[Event] = []
        self.result: object = None
        self.error: BaseException | None = None
        self.continuation = Continuation(job.record, self)
        self._attend = attend

    def run(self, continuable: Callable[[], object]) -> Execution:
        try:
            self._call(continuable)
        except Crash as crash:
            self.error = crash
            return self
        except BaseException as error:
            self.error = error
        self._conclude()
        return self

    @property
    def departure(self) -> Departure | None:
        return self.continuation.departure

    def attend(self) -> Departure | None:
        self.attention.answered()
        self.attended_count += 1
        return self.answer if self._attend is None else self._attend(self)

    def save(self) -> Departure | None:
        if self.lost is None:
            self.saved_count += 1
            self.job.save(self.continuation.snapshot())
        return self.lost

    def publish(self, event: Event) -> None:
        self.events.append(event)

    def _call(self, continuable: Callable[[], object]) -> None:
        with ExitStack() as stack:
            if self.job.native:
                stack.enter_context(self.attention.handed_over())
            stack.enter_context(entered(self.continuation))
            self.result = continuable()

    def _conclude(self) -> None:
        """A departure counts before all else: user code may have raised something over it."""
        if self.departure is not None:
            self.error = None
        elif self.error is None:
            self._finish()
        if self.lost is None:
            self.job.save(self.continuation.snapshot())

    def _finish(self) -> None:
        try:
            self.continuation.finish()
        except StepsError as error:
            self.error = error

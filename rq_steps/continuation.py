"""The state machine: which step may run, is skipped, recorded, interrupted.

It knows neither Redis nor RQ nor the clock. The rules, and the order in which they are checked,
are those of Rails' `ActiveJob::Continuation`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from rq_steps.errors import CheckpointError, Interrupt, InvalidStepError, UnserializableError
from rq_steps.events import (
    Resumed,
    Started,
    StepCompleted,
    StepSkipped,
    StepStarted,
    listening,
    logger,
)
from rq_steps.handle import Step
from rq_steps.keeper import ISOLATED, Departure, Keeper
from rq_steps.options import StepOptions
from rq_steps.order import Order
from rq_steps.own_thread import OwnThread
from rq_steps.pending import Pending
from rq_steps.record import Completed, Record
from rq_steps.transactions import Transactions
from rq_steps.values import JSON, decode, encode

R = TypeVar("R")


class Continuation:
    """One execution of a continuable, seen from its steps."""

    def __init__(self, record: Record, keeper: Keeper) -> None:
        self.record = record
        self.keeper = keeper
        self.attention = keeper.attention
        self.pickling = keeper.pickling
        self.departure: Departure | None = None
        self.advanced = False
        self.thread = OwnThread()
        self.pending = Pending()
        self._order = Order(done.name for done in record.completed)
        self._step: Step | None = None
        self._ran_a_step = False
        self._isolating = False
        self._transactions = Transactions()

    # What the steps ask

    def run(self, options: StepOptions, origin: object, body: Callable[[Step], R]) -> R:
        """Run a step, or skip it and return its recorded result."""
        step = self._enter(options, origin)
        if not isinstance(step, Step):
            return cast(R, self._skip(step))
        with self._running_step(step):
            result = body(step)
        return self._complete(step, result)

    async def run_async(
        self, options: StepOptions, origin: object, body: Callable[[Step], Awaitable[R]]
    ) -> R:
        """The same for a step that is awaited."""
        step = self._enter(options, origin)
        if not isinstance(step, Step):
            return cast(R, self._skip(step))
        with self._running_step(step):
            try:
                result = await body(step)
            finally:
                await step._aclose()
        return self._complete(step, result)

    # What a Step asks

    @property
    def stopping(self) -> bool:
        return self.keeper.stopping

    def checkpoint(self) -> None:
        """A checkpoint at which somebody wants something."""
        self.thread.refuse_stranger("a Step was used")
        self._go_on_leaving()
        self._transactions.check()
        self._leave_if(self.keeper.attend())

    def save(self) -> None:
        self.thread.refuse_stranger("a Step was used")
        self._go_on_leaving()
        self._leave_if(self.keeper.save())

    def interrupt(self, wait: float | None, reason: str) -> None:
        self.thread.refuse_stranger("a Step was used")
        self._go_on_leaving()
        self._transactions.check()
        if self.keeper.attended:
            self._leave(Departure(reason, wait, own=True))

    def guard(self, connection: Any) -> None:
        self._transactions.guard(connection)
        self.attention.always()

    # What the keeper asks

    @property
    def place(self) -> tuple[str | None, object, str | None]:
        """The current step, its cursor, and the step that completed last, for events."""
        after = self.record.completed[-1].name if self.record.completed else None
        if self._step is not None:
            return self._step.name, self._step.cursor, after
        current = self.record.current
        if current is None:
            return None, None, after
        return current.name, self._shown(current.cursor), after

    @property
    def latest_step(self) -> str | None:
        """The step that is under way, or the one that completed last."""
        step, _, after = self.place
        return step or after

    def snapshot(self) -> Record:
        """The record, with the current step as it is now."""
        if self._step is not None:
            self.record.current = self._step._as_current()
        self.record.settle()
        return self.record

    def announce(self, *, resumed: bool) -> None:
        """An execution begins, the first of its run or a later one."""
        self.record.executions += 1
        job_id = self.keeper.job_id
        if resumed:
            self.keeper.publish(Resumed(job_id, *self.place, self.record.executions))
        else:
            self.keeper.publish(Started(job_id))

    def finish(self) -> None:
        """The continuable has returned.

        Raises:
            InvalidStepError: a step of the record was never called, or an async one not awaited.
        """
        self.pending.refuse_unawaited()
        self._order.check_end(self._begun)
        self.pending.warn_of_uncalled(self.keeper.job_id)

    # How a step begins and ends

    def _enter(self, options: StepOptions, origin: object) -> Step | Completed:
        self._go_on_leaving()
        self.pending.entered(origin)
        self._refuse_nested(options.name)
        self._order.check(options.name, self._begun)
        place = self._order.place
        if self._order.is_behind:
            self._order.meet(options.name)
            return self.record.completed[place]
        self._checkpoint_before(options)
        self._order.meet(options.name)
        return self._begin(options)

    @property
    def _begun(self) -> str | None:
        return self.record.current.name if self.record.current else None

    def _refuse_nested(self, name: str) -> None:
        if self._step is not None:
            raise InvalidStepError(
                f"step '{name}' is nested inside step '{self._step.name}', or called beside it: "
                "one at a time"
            )

    def _checkpoint_before(self, options: StepOptions) -> None:
        self._isolating = self._isolating or options.isolated
        if self._ran_a_step:
            if self._transactions.watched:
                self.attention.always()
            if self.attention.wanted:
                self.checkpoint()
            if self._isolating and self.keeper.attended:
                self._leave(Departure(ISOLATED))

    def _begin(self, options: StepOptions) -> Step:
        step = self._new_step(options)
        first, self._ran_a_step = not self._ran_a_step, True
        if self._transactions.watched:
            self.attention.always()
        self.keeper.publish(StepStarted(self.keeper.job_id, step.name, step.cursor, step.resumed))
        self.record.current = step._as_current()
        if first:
            self._leave_if(self.keeper.save())
        return step

    def _new_step(self, options: StepOptions) -> Step:
        kept = self.record.current
        if kept is None:
            return Step(options.name, options.start, self)
        cursor = self._decode(kept.cursor, f"cursor of step '{kept.name}'")
        return Step(kept.name, cursor, self, resumed=True, mark=kept.source)

    @contextmanager
    def _running_step(self, step: Step) -> Iterator[None]:
        self._step = step
        try:
            yield
        except CheckpointError:
            self._step = None  # the record keeps its cursor: the transaction will be rolled back
            raise
        finally:
            self.advanced = self.advanced or step.advanced
            self.snapshot()
            self._step = None
            step._end()
        self._go_on_leaving()

    def _complete(self, step: Step, result: R) -> R:
        kept = self._encode(result, f"result of step '{step.name}'")
        self.record.complete(Completed(step.name, kept))
        self.advanced = True
        self.keeper.publish(StepCompleted(self.keeper.job_id, step.name, step.cursor))
        if step._warning:
            logger.warning("Job %s: step '%s': %s", self.keeper.job_id, step.name, step._warning)
        self._leave_if(self.keeper.save())
        return result

    def _skip(self, done: Completed) -> object:
        if listening(logging.DEBUG):  # thousands of steps may be skipped in one go
            self.keeper.publish(StepSkipped(self.keeper.job_id, done.name))
        return self._decode(done.result, f"result of step '{done.name}'")

    # How an execution leaves

    def _leave_if(self, departure: Departure | None) -> None:
        if departure is not None:
            self._leave(departure)

    def _leave(self, departure: Departure) -> None:
        self.departure = departure
        self.attention.always()
        self._go_on_leaving()

    def _go_on_leaving(self) -> None:
        """Again at every turn, in case that user code has swallowed the Interrupt."""
        if self.departure is not None:
            raise Interrupt(self.departure.reason)

    def _encode(self, value: object, what: str) -> JSON:
        try:
            return encode(value, pickling=self.pickling)
        except UnserializableError as error:
            raise UnserializableError(f"{what}: {error}") from error

    def _shown(self, cursor: JSON) -> object:
        """A kept cursor for people, even where its class is gone."""
        try:
            return decode(cursor, pickling=self.pickling)
        except UnserializableError:
            return cursor

    def _decode(self, data: JSON, what: str) -> object:
        try:
            return decode(data, pickling=self.pickling)
        except UnserializableError as error:
            raise UnserializableError(f"{what}: {error}") from error

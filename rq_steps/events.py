"""What happens to a job, turn by turn: a frozen dataclass an event. Logging is one subscriber."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

logger = logging.getLogger("rq_steps")
if logger.level == logging.NOTSET:  # as RQ does with its own, so that `rq worker` shows the turns
    logger.setLevel(logging.INFO)


@dataclass(frozen=True)
class Event(ABC):
    """One turn of one job. `description` is the line that is logged."""

    job_id: str

    @property
    def level(self) -> int:
        """The level of the log line."""
        return logging.INFO

    @property
    @abstractmethod
    def description(self) -> str:
        """The turn in words."""

    @property
    def error(self) -> BaseException | None:
        """The exception whose traceback belongs to the log line."""
        return None


@dataclass(frozen=True)
class Started(Event):
    """The first execution of a run begins."""

    @property
    def description(self) -> str:
        return "started"


@dataclass(frozen=True)
class Resumed(Event):
    """A later execution begins, at the step and cursor where the one before it ended."""

    step: str | None
    cursor: object
    completed: int
    executions: int

    @property
    def description(self) -> str:
        return f"resumed {place(self.step, self.cursor, self.completed)}"


@dataclass(frozen=True)
class StepEvent(Event):
    """A turn of one step."""

    step: str


@dataclass(frozen=True)
class StepStarted(StepEvent):
    """A step begins, or goes on from the cursor of an earlier execution."""

    cursor: object
    resumed: bool

    @property
    def description(self) -> str:
        if self.resumed:
            return f"step '{self.step}' resumed from cursor {self.cursor!r}"
        return f"step '{self.step}' started"


@dataclass(frozen=True)
class StepSkipped(StepEvent):
    """A step that has completed is not run again: its recorded result is returned."""

    @property
    def level(self) -> int:
        return logging.DEBUG

    @property
    def description(self) -> str:
        return f"step '{self.step}' skipped"


@dataclass(frozen=True)
class StepCompleted(StepEvent):
    """A step has returned, and is recorded."""

    cursor: object

    @property
    def description(self) -> str:
        return f"step '{self.step}' completed"


@dataclass(frozen=True)
class Interrupted(Event):
    """The execution left at a checkpoint; the job comes back after `wait` seconds."""

    step: str | None
    cursor: object
    completed: int
    reason: str
    wait: float

    @property
    def description(self) -> str:
        where = place(self.step, self.cursor, self.completed)
        wait = f", back in {self.wait:g} s" if self.wait else ""
        return f"interrupted {where} ({self.reason}){wait}"


@dataclass(frozen=True)
class Errored(Event):
    """The execution ended with an exception. `wait` is None where the job is not resumed."""

    step: str | None
    cursor: object
    completed: int
    exception: BaseException
    wait: float | None

    @property
    def level(self) -> int:
        """A failure is RQ's to report, with its traceback; an error that is resumed is ours."""
        return logging.WARNING if self.wait is None else logging.ERROR

    @property
    def error(self) -> BaseException | None:
        return None if self.wait is None else self.exception

    @property
    def description(self) -> str:
        where = place(self.step, self.cursor, self.completed)
        ahead = "not resumed" if self.wait is None else f"resumes in {self.wait:g} s"
        return f"{type(self.exception).__name__} {where}, {ahead}: {self.exception}"


@dataclass(frozen=True)
class Superseded(Event):
    """The execution lost the job (`why`: superseded, canceled, deleted …) and ends quietly."""

    step: str | None
    cursor: object
    completed: int
    why: str

    @property
    def level(self) -> int:
        return logging.WARNING

    @property
    def description(self) -> str:
        return f"{self.why} {place(self.step, self.cursor, self.completed)}, this execution ends"


@dataclass(frozen=True)
class Died(Event):
    """The work-horse, the worker or its machine died; the job is put back, or has `failed`.

    A cold shutdown is none of the `deaths`.
    """

    step: str | None
    cursor: object
    deaths: int
    failed: bool

    @property
    def level(self) -> int:
        return logging.ERROR if self.failed else logging.WARNING

    @property
    def description(self) -> str:
        where = place(self.step, self.cursor, 0)
        ahead = "failed" if self.failed else "put back"
        often = f", {self.deaths} times in a row there" if self.deaths > 1 else ""
        return f"died {where}{often}, {ahead}"


@dataclass(frozen=True)
class Finished(Event):
    """The run is done."""

    completed: int
    executions: int

    @property
    def description(self) -> str:
        return f"finished: {self.completed} steps in {self.executions} executions"


def place(step: str | None, cursor: object, completed: int) -> str:
    """Where a job is, in words: `at 'import_rows', cursor 67543`."""
    if step is None:
        return f"after {completed} steps" if completed else "before its first step"
    return f"at '{step}'" if cursor is None else f"at '{step}', cursor {cursor!r}"


Subscriber: TypeAlias = Callable[[Event], None]
_subscribers: list[Subscriber] = []


def subscribe(subscriber: Subscriber) -> Callable[[], None]:
    """Have `subscriber` called with every event of this process; returns what ends that.

    It is called in the job's own thread: an exception of its own is logged, and hurts nobody.
    """
    _subscribers.append(subscriber)
    return lambda: _subscribers.remove(subscriber)


def listening(level: int) -> bool:
    """Would anybody learn of an event that is logged at this level?"""
    return bool(_subscribers) or logger.isEnabledFor(level)


def publish(event: Event) -> None:
    """Log an event, and hand it to the subscribers."""
    if logger.isEnabledFor(event.level):
        logger.log(event.level, "Job %s: %s", event.job_id, event.description, exc_info=event.error)
    for subscriber in tuple(_subscribers):
        try:
            subscriber(event)
        except Exception:
            logger.exception("Job %s: a subscriber raised at %r", event.job_id, event)

"""What happens to a job, turn by turn: a frozen dataclass an event. Logging is one subscriber."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

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
class PlacedEvent(Event):
    """A turn of the job as a whole, at the step and cursor where it is."""

    step: str | None
    """The step that has begun and not completed, if there is one."""
    cursor: object
    after: str | None
    """The step that completed last."""

    @property
    def place(self) -> str:
        """Where the job is, in words: `at 'import_rows', cursor 67543`."""
        if self.step is not None:
            return at(self.step, self.cursor)
        return "before its first step" if self.after is None else f"after '{self.after}'"


@dataclass(frozen=True)
class Resumed(PlacedEvent):
    """A later execution begins, at the step and cursor where the one before it ended."""

    executions: int

    @property
    def description(self) -> str:
        return f"resumed {self.place}"


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
        if not self.resumed:
            return f"step '{self.step}' started"
        place = "its start" if self.cursor is None else f"cursor {one_line(self.cursor)}"
        return f"step '{self.step}' resumed from {place}"


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
class LongGap(StepEvent):
    """A step went for so many seconds without a checkpoint: a deploy would cut it off."""

    seconds: float
    grace: float

    @property
    def level(self) -> int:
        return logging.WARNING

    @property
    def description(self) -> str:
        return (
            f"step '{self.step}' had no checkpoint for {self.seconds:.1f} s: "
            f"it is cut off by a shutdown that leaves it {self.grace:g} s"
        )


@dataclass(frozen=True)
class Interrupted(PlacedEvent):
    """The execution left at a checkpoint; the job comes back after `wait` seconds."""

    reason: str
    wait: float

    @property
    def description(self) -> str:
        wait = f", back in {self.wait:g} s" if self.wait else ""
        return f"interrupted {self.place} ({self.reason}){wait}"


@dataclass(frozen=True)
class Errored(PlacedEvent):
    """The execution ended with an exception. `wait` is None where the job is not resumed."""

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
        ahead = "not resumed" if self.wait is None else f"resumes in {self.wait:g} s"
        error = _joined(self.exception, str)
        said = f": {error}" if error else ""
        return f"{type(self.exception).__name__} {self.place}, {ahead}{said}"


@dataclass(frozen=True)
class Superseded(PlacedEvent):
    """The execution lost the job (`why`: superseded, canceled, deleted …) and ends quietly."""

    why: str

    @property
    def level(self) -> int:
        return logging.WARNING

    @property
    def description(self) -> str:
        return f"{self.why} {self.place}, this execution ends"


@dataclass(frozen=True)
class Died(PlacedEvent):
    """The work-horse, the worker or its machine died; the job is put back, or has `failed`.

    A cold shutdown is none of the `deaths`.
    """

    deaths: int
    failed: bool

    @property
    def level(self) -> int:
        return logging.ERROR if self.failed else logging.WARNING

    @property
    def description(self) -> str:
        ahead = "failed" if self.failed else "put back"
        often = f", {self.deaths} times in a row there" if self.deaths > 1 else ""
        return f"died {self.place}{often}, {ahead}"


@dataclass(frozen=True)
class Finished(Event):
    """The run is done."""

    completed: int
    executions: int

    @property
    def description(self) -> str:
        steps, executions = counted(self.completed, "step"), counted(self.executions, "execution")
        return f"finished: {steps} in {executions}"


def at(step: str, cursor: object) -> str:
    """A step and its cursor, in words and in one line."""
    return f"at '{step}'" if cursor is None else f"at '{step}', cursor {one_line(cursor)}"


def counted(number: int, noun: str) -> str:
    """So many, in words."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def one_line(value: object) -> str:
    """A value as it is shown in a message."""
    return _joined(value, repr)


def _joined(value: object, show: Callable[[Any], str]) -> str:
    """In one line, even where the value's own methods fail: a turn must be told."""
    try:
        return " ".join(show(value).split())
    except Exception:
        return f"<{type(value).__name__}>"


Subscriber: TypeAlias = Callable[[Event], None]
_subscribers: list[Subscriber] = []


def subscribe(subscriber: Subscriber) -> Callable[[], None]:
    """Have `subscriber` called with every event of this process; returns what ends that.

    It is called in the job's own thread: an exception of its own is logged, and hurts nobody. RQ's
    job timeout that arrives meanwhile is the job's.
    """
    _subscribers.append(subscriber)
    return lambda: _subscribers.remove(subscriber)


def listening(level: int) -> bool:
    """Would anybody learn of an event that is logged at this level?"""
    return bool(_subscribers) or logger.isEnabledFor(level)


def publish(event: Event, *, passing: tuple[type[Exception], ...] = ()) -> None:
    """Log an event, and hand it to the subscribers.

    An exception of theirs is logged. One that is `passing` is not theirs, it only arrives while one
    of them runs, as the job timeout does: it is raised.
    """
    if logger.isEnabledFor(event.level):
        logger.log(event.level, "Job %s: %s", event.job_id, event.description, exc_info=event.error)
    for subscriber in tuple(_subscribers):
        try:
            subscriber(event)
        except passing:
            raise
        except Exception:
            logger.exception("Job %s: a subscriber raised at %r", event.job_id, event)

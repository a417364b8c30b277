"""What befalls a rehearsed job, and where."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

from rq_steps.keeper import ISOLATED, MAX_RUNTIME, MAX_TOTAL_RUNTIME, STOPPING, TIMEOUT, Departure
from rq_steps.testing.place import Place

_OF_THE_ENGINE = (ISOLATED, MAX_RUNTIME, MAX_TOTAL_RUNTIME, STOPPING, TIMEOUT)


class Victim(Protocol):
    """The execution that is struck."""

    stopping: bool

    def store(self) -> None:
        """Save the record."""

    def die(self) -> Departure:
        """Nothing more is saved. How the code leaves."""


class Strike(Protocol):
    """Befalls a job once, at its place."""

    @property
    def place(self) -> Place: ...

    @property
    def call(self) -> str:
        """As a test writes it."""

    def hit(self, victim: Victim) -> Departure | None:
        """Strike. Answers how the job leaves, if it does; may raise into it."""


@dataclass(frozen=True)
class Interruption:
    """The job is interrupted, as by a deploy, or for another reason.

    Raises:
        TypeError: that is no reason.
    """

    place: Place
    reason: str = STOPPING

    def __post_init__(self) -> None:
        if not isinstance(self.reason, str) or not self.reason:
            raise TypeError(f"reason must be a string that says why, found {self.reason!r}")

    @property
    def call(self) -> str:
        reason = "" if self.reason == STOPPING else f", reason={self.reason!r}"
        return f"interrupt({_written(self.place)}{reason})"

    def hit(self, victim: Victim) -> Departure:
        victim.stopping = victim.stopping or self.reason == STOPPING
        return Departure(self.reason, own=self.reason not in _OF_THE_ENGINE)


@dataclass(frozen=True)
class Crash:
    """The process dies, as of SIGKILL. What was saved last survives."""

    place: Place
    saved: bool = False

    @property
    def call(self) -> str:
        return f"crash({_written(self.place)}{', saved=True' if self.saved else ''})"

    def hit(self, victim: Victim) -> Departure:
        if self.saved:
            victim.store()
        return victim.die()


@dataclass(frozen=True)
class Failure:
    """An exception is raised in the job's code.

    Raises:
        TypeError: it is none.
    """

    place: Place
    error: BaseException

    def __post_init__(self) -> None:
        is_class = isinstance(self.error, type) and issubclass(self.error, BaseException)
        if not (is_class or isinstance(self.error, BaseException)):
            raise TypeError(f"fail raises an exception, as OSError(...): found {self.error!r}")

    @property
    def call(self) -> str:
        return f"fail({self.error!r}, {_written(self.place)})"

    def hit(self, victim: Victim) -> Departure:
        raise self.error


def refuse_no_strike(strike: object) -> None:
    """Refuse what befalls nobody.

    Raises:
        TypeError: it is a place, a name, or the class of a strike.
    """
    if isinstance(strike, type) or not callable(getattr(strike, "hit", None)):
        raise TypeError(
            "a strike is an Interruption(place), Crash(place) or Failure(place, error): "
            f"found {strike!r}"
        )


def _written(place: Place) -> str:
    given = {field.name: getattr(place, field.name) for field in fields(place)}
    return ", ".join(f"{name}={value!r}" for name, value in given.items() if value is not None)

"""What `@continuable` and `@step` can be told, checked where it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import isfinite
from typing import TypeAlias

Seconds: TypeAlias = "float | timedelta"

MARK = "__continuable__"
"""The attribute that tells a continuable from any other function."""


@dataclass(frozen=True)
class Options:
    """The options of one continuable; every time is in seconds."""

    max_resumptions: int | None = None
    resume_wait: float = 0.0
    resume_queue: str | None = None
    resume_errors: bool = True
    error_waits: tuple[float, ...] = (5.0,)
    max_runtime: float | None = None
    max_total_runtime: float | None = None
    save_every: float = 1.0

    def error_wait(self, nth: int) -> float:
        """Seconds to wait after the nth error of a run, counted from 1; the last one repeats."""
        return self.error_waits[min(nth, len(self.error_waits)) - 1]


@dataclass(frozen=True)
class StepOptions:
    """The options of one step."""

    name: str
    start: object = None
    isolated: bool = False


def continuable_options(
    *,
    max_resumptions: int | None,
    resume_wait: Seconds,
    resume_queue: str | None,
    resume_errors: bool,
    error_wait: Seconds | Sequence[Seconds],
    max_runtime: Seconds | None,
    max_total_runtime: Seconds | None,
    save_every: Seconds,
) -> Options:
    """The options as given by a user, checked and in seconds.

    Raises:
        TypeError, ValueError: naming the option, what was found and what is expected.
    """
    return Options(
        max_resumptions=_count("max_resumptions", max_resumptions),
        resume_wait=seconds("resume_wait", resume_wait),
        resume_queue=_name("resume_queue", resume_queue, optional=True),
        resume_errors=_flag("resume_errors", resume_errors),
        error_waits=_waits("error_wait", error_wait),
        max_runtime=_limit("max_runtime", max_runtime),
        max_total_runtime=_limit("max_total_runtime", max_total_runtime),
        save_every=seconds("save_every", save_every),
    )


def step_options(name: str, start: object, isolated: bool) -> StepOptions:
    """The options of a step, checked."""
    checked = _name("name", name, optional=False)
    assert checked is not None
    return StepOptions(checked, start, _flag("isolated", isolated))


def _refusal(option: str, expected: str, found: object) -> TypeError:
    return TypeError(f"{option} must be {expected}, found {found!r}")


def _count(option: str, value: int | None) -> int | None:
    if value is None:
        return None
    if type(value) is not int:
        raise _refusal(option, "a whole number or None", value)
    if value < 0:
        raise ValueError(f"{option} must not be negative, found {value!r}")
    return value


def seconds(option: str, value: Seconds) -> float:
    """A number of seconds or a timedelta, in seconds."""
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise _refusal(option, "a number of seconds or a timedelta", value)
    if number < 0 or not isfinite(number):
        raise ValueError(f"{option} must be finite and not negative, found {value!r}")
    return float(number)


def _limit(option: str, value: Seconds | None) -> float | None:
    if value is None:
        return None
    limit = seconds(option, value)
    if not limit:
        raise ValueError(f"{option} must be greater than 0, found {value!r}")
    return limit


def _waits(option: str, value: Seconds | Sequence[Seconds]) -> tuple[float, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        return (seconds(option, value),)
    if not value:
        raise ValueError(f"{option} must not be empty")
    return tuple(seconds(option, wait) for wait in value)


def _name(option: str, value: str | None, *, optional: bool) -> str | None:
    if value is None and optional:
        return None
    if not isinstance(value, str):
        raise _refusal(option, "a string", value)
    if not value:
        raise ValueError(f"{option} must not be empty")
    return value


def _flag(option: str, value: bool) -> bool:
    if not isinstance(value, bool):
        raise _refusal(option, "True or False", value)
    return value

"""A job is cut at every point where it can be, and has to be right each time."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import Protocol, TypeAlias

from rq.exceptions import AbandonedJobError

from rq_steps.errors import ResumeLimitError
from rq_steps.events import StepCompleted, StepStarted
from rq_steps.testing.execution import Checkpoint
from rq_steps.testing.place import NeverReachedError, Place
from rq_steps.testing.rehearsal import Rehearsal
from rq_steps.testing.strikes import Crash, Interruption, Strike

Make: TypeAlias = Callable[[], Rehearsal]
Check: TypeAlias = Callable[[Rehearsal], object]


@dataclass(frozen=True)
class Coverage:
    """How much has been tried."""

    checkpoints: int
    """That the job came to when nobody cut it."""
    points: int
    """Ways to cut it: at each checkpoint and at the end of each step, in each way."""
    tried: int


@dataclass(frozen=True)
class Point:
    """One way to cut the job."""

    title: str
    strikes: tuple[Strike, ...]


class Everywhere(Protocol):
    """What the fixture `everywhere` gives: the function of that name."""

    def __call__(
        self, make: Make, check: Check, *, at_most: int = 400, seed: int = 0, crashes: bool = True
    ) -> Coverage: ...


def everywhere(
    make: Make, check: Check, *, at_most: int = 400, seed: int = 0, crashes: bool = True
) -> Coverage:
    """Cut a job at every point where it can be cut, and check it after each.

    The job is run without a cut first, which finds its checkpoints; then once more for each of
    them: interrupted there, interrupted there and at the next one, and crashed there, before and
    after a save. It is also crashed at the end of each step, before and after that is recorded.

    Args:
        make: makes everything anew, and returns the rehearsal of the job. Called for each point.
        check: raises, or returns False, where something is not as it should be.
        at_most: how many points are tried; of more, a sample: those at the borders of the steps,
            and others at random.
        seed: of the sample.
        crashes: is the job to survive crashes, too? What it had in hand is then repeated.

    Raises:
        TypeError: `make` or `check` is no function, or `make` gives no new rehearsal.
        ValueError: `at_most` is no number of points.
        AssertionError: the job is not right; names the point, the record there, and the lines that
            reproduce it.
    """
    __tracebackhide__ = True  # pytest shows the test's own line, and the message
    for name, given in (("make", make), ("check", check)):
        if not callable(given):
            raise TypeError(
                f"{name} has to be a function, which is called for each run: found {given!r}"
            )
    if at_most < 1:
        raise ValueError(f"at_most is a number of points, from 1: found {at_most}")
    checkpoints, completed = _uncut(make, check)
    points = [*_points(checkpoints, completed, crashes)]
    if not points:
        raise AssertionError("there is nothing to cut: the job has no checkpoint")
    tried = _sample(points, _borders(checkpoints), at_most, seed)
    for point in tried:
        _try(point, make, check)
    return Coverage(len(checkpoints), len(points), len(tried))


def _uncut(make: Make, check: Check) -> tuple[Sequence[Checkpoint], Sequence[str]]:
    """Run it twice: what it does must not depend on what it has done, nor on the hour."""
    __tracebackhide__ = True
    first = _pass(make, check, "when nothing cuts it")
    second = _pass(make, check, "when it runs a second time: does make set everything up anew?")
    for nth, (one, other) in enumerate(zip_longest(_begun(first), _begun(second)), 1):
        if one != other:
            raise AssertionError(
                f"the steps differ from run to run: number {nth} was {one!r}, then {other!r}; "
                "a job that is resumed has to call the same steps, by the same names"
            )
    checkpoints = [each for execution in first.executions for each in execution.checkpoints]
    completed = [each.step for each in first.events if isinstance(each, StepCompleted)]
    return checkpoints, completed


def _pass(make: Make, check: Check, when: str) -> Rehearsal:
    __tracebackhide__ = True
    rehearsal = make()
    if not isinstance(rehearsal, Rehearsal) or rehearsal.executions:
        raise TypeError(f"make has to return a new Rehearsal, found {rehearsal!r}")
    try:
        rehearsal.run()
        _check(rehearsal, check)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also what pytest.fail raises, and sys.exit
        raise AssertionError(f"the job is not right {when}\n{_said(error)}") from error
    return rehearsal


def _begun(rehearsal: Rehearsal) -> list[str]:
    return [each.step for each in rehearsal.events if isinstance(each, StepStarted)]


def _points(
    checkpoints: Sequence[Checkpoint], completed: Sequence[str], crashes: bool
) -> Iterator[Point]:
    for each in checkpoints:
        here = Place(checkpoint=each.number)
        yield Point(f"interrupted at {each}", (Interruption(here, "stopping"),))
        if each is not checkpoints[-1]:
            following = Interruption(Place(checkpoint=each.number + 1), "stopping")
            yield Point(
                f"interrupted at {each} and at the next one",
                (Interruption(here, "stopping"), following),
            )
        if crashes:
            yield Point(f"crashed at {each}, before a save", (Crash(here, saved=False),))
            yield Point(f"crashed at {each}, after a save", (Crash(here, saved=True),))
    for name in completed if crashes else ():
        yield from _crashes_at_end(name)


def _crashes_at_end(step: str) -> Iterator[Point]:
    place = Place(after=step)
    for saved, when in ((False, "before that is recorded"), (True, "when that is recorded")):
        yield Point(f"crashed at the end of '{step}', {when}", (Crash(place, saved),))


def _borders(checkpoints: Sequence[Checkpoint]) -> set[int]:
    """The numbers of the first and the last checkpoint in each step, and of those in between."""
    borders = set()
    for _, group in groupby(checkpoints, key=lambda each: each.step):
        numbers = [each.number for each in group]
        borders |= {numbers[0], numbers[-1]}
    return borders


def _sample(points: list[Point], borders: set[int], at_most: int, seed: int) -> list[Point]:
    if len(points) <= at_most:
        return points
    dice = random.Random(seed)
    preferred = [each for each in points if _number(each) in borders or _number(each) is None]
    others = [each for each in points if each not in preferred]
    chosen = dice.sample(preferred, min(len(preferred), at_most))
    chosen += dice.sample(others, at_most - len(chosen))
    return [each for each in points if each in chosen]


def _number(point: Point) -> int | None:
    return point.strikes[0].place.checkpoint


def _try(point: Point, make: Make, check: Check) -> None:
    __tracebackhide__ = True
    rehearsal = make()
    for strike in point.strikes:
        rehearsal.strike(strike)
    try:
        _run(rehearsal, len(point.strikes))
        _check(rehearsal, check)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also what pytest.fail raises, and sys.exit
        raise AssertionError(_report(rehearsal, point, error)) from error


def _run(rehearsal: Rehearsal, cuts: int) -> None:
    """A job that was cut need not come to as many checkpoints once more. One that was cut more
    often than `max_resumptions` allows is requeued, as `rq requeue` does, and gets another round.
    """
    try:
        rehearsal.run()
    except NeverReachedError:
        if len(rehearsal.executions) == 1:
            raise
    except (ResumeLimitError, AbandonedJobError):
        if not cuts:
            raise
        _run(rehearsal, cuts - 1)


def _check(rehearsal: Rehearsal, check: Check) -> None:
    answer = check(rehearsal)
    if isinstance(answer, Coroutine):
        answer.close()
        raise TypeError(
            "check is an `async def`, which nobody awaits: let it call asyncio.run(...)"
        )
    if _is_false(answer):
        raise AssertionError("check returned False")


def _is_false(answer: object) -> bool:
    """Is it False, that of Python or of numpy? Nothing else that is empty means so."""
    return type(answer).__name__ in ("bool", "bool_") and not answer


def _report(rehearsal: Rehearsal, point: Point, error: BaseException) -> str:
    cut = rehearsal.executions[: len(point.strikes)]
    calls = [f"rehearsal.{strike.call}" for strike in point.strikes]
    return "\n".join(
        [
            f"the job is not right when {point.title}",
            _said(error),
            *(f"the record there: {json.dumps(execution.record)}" for execution in cut),
            "to reproduce it:",
            *(f"    {line}" for line in ["rehearsal = make()", *calls, "rehearsal.run()"]),
        ]
    )


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

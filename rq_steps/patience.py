"""Waits for Redis to come back."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

from redis.backoff import EqualJitterBackoff
from redis.exceptions import ConnectionError, TimeoutError

from rq_steps.events import logger
from rq_steps.settings import OUTAGE

T = TypeVar("T")

LONGEST_PAUSE = 10.0
FIRST_PAUSE = 0.1
_DOUBLINGS = 20  # more than to the longest pause; of a thousand, redis-py makes no number any more
_LOOK_EVERY = 0.25  # in a pause, whether the one who waits wants to leave

AWAY = (ConnectionError, TimeoutError)


class GaveUp(BaseException):
    """Redis was away for too long: the execution ends as if it had been killed."""


def patiently(
    call: Callable[[], T],
    who: str,
    *,
    outage: float = OUTAGE,
    leaving: Callable[[], bool] = lambda: False,
) -> T:
    """Call, and while Redis is away call again, with growing and jittered pauses.

    Args:
        who: names the one who waits, in the log.
        leaving: does the one who waits want to leave?

    Raises:
        GaveUp: it was away for `outage` seconds, or is when somebody wants to leave.
    """
    give_up_at = monotonic() + outage
    backoff = EqualJitterBackoff(cap=LONGEST_PAUSE, base=FIRST_PAUSE)
    failures = 0
    while True:
        try:
            return call()
        except AWAY as error:
            if monotonic() > give_up_at or leaving():
                raise GaveUp(f"Redis is away: {error}") from error
            logger.warning("%s: Redis is away, and is waited for: %s", who, error)
        failures = min(failures + 1, _DOUBLINGS)
        _pause(backoff.compute(failures), leaving)


def _pause(seconds: float, leaving: Callable[[], bool]) -> None:
    end = monotonic() + seconds
    while not leaving() and monotonic() < end:
        sleep(min(_LOOK_EVERY, max(end - monotonic(), 0)))

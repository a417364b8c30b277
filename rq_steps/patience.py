"""Waits for Redis to come back."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TypeVar

from redis.backoff import EqualJitterBackoff
from redis.exceptions import ConnectionError, TimeoutError
from redis.retry import Retry

from rq_steps.events import logger
from rq_steps.settings import OUTAGE

T = TypeVar("T")

LONGEST_PAUSE = 10.0
FIRST_PAUSE = 0.1

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

    def failed(error: Exception) -> None:
        if monotonic() > give_up_at or leaving():
            raise GaveUp(f"Redis is away: {error}") from error
        logger.warning("%s: Redis is away, and is waited for: %s", who, error)

    backoff = EqualJitterBackoff(cap=LONGEST_PAUSE, base=FIRST_PAUSE)
    result: T = Retry(backoff, retries=-1, supported_errors=AWAY).call_with_retry(call, failed)
    return result

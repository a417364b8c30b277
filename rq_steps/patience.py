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


def patiently(call: Callable[[], T], job_id: str, *, outage: float = OUTAGE) -> T:
    """Call, and while Redis is away call again, with growing and jittered pauses.

    Raises:
        GaveUp: it was away for `outage` seconds.
    """
    give_up_at = monotonic() + outage

    def failed(error: Exception) -> None:
        if monotonic() > give_up_at:
            raise GaveUp(f"Redis was away for {outage:g} s: {error}") from error
        logger.warning("Job %s: Redis is away, progress cannot be saved: %s", job_id, error)

    backoff = EqualJitterBackoff(cap=LONGEST_PAUSE, base=FIRST_PAUSE)
    result: T = Retry(backoff, retries=-1, supported_errors=AWAY).call_with_retry(call, failed)
    return result

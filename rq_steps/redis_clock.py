"""The clock that all workers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis import Redis


def redis_now(connection: Redis) -> float:
    """The time on Redis' clock, in seconds since the epoch."""
    seconds, microseconds = connection.time()
    return seconds + microseconds / 1_000_000

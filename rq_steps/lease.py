"""For how long a job counts as alive when nothing is heard of it.

RQ's own registry says so after ten minutes or more, and then fails the job. A lease lies beside it,
in a sorted set for each queue: the ids of the continuables that run, by the time on Redis' clock at
which they count as lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rq.registry import StartedJobRegistry

if TYPE_CHECKING:
    from redis import Redis

LEASE = 30.0
"""Seconds. With `LOOK_EVERY` and a look that takes its time, less than a minute in all."""
RENEW_EVERY = 10.0
LOOK_EVERY = 10.0


def lease_key(queue_name: str, connection: Redis) -> str:
    """The sorted set of a queue's leases."""
    return f"{StartedJobRegistry(queue_name, connection=connection).key}:rq_steps"

"""What is left in Redis when all jobs are over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from redis import Redis
from rq.registry import CanceledJobRegistry, FinishedJobRegistry

from tests.chaos.clerk import Clerk

_RQS_OWN = (
    "rq:worker:",
    "rq:workers",
    "rq:scheduler",
    "rq:queues",
    "rq:clean_",
    "rq:results:",
)
"""Of dead workers and schedulers, until RQ's maintenance; of queues; the results of jobs."""


def leftovers(redis: Redis, clerk: Clerk) -> Iterator[str]:
    """Each key that is neither a job, nor a registry of jobs that are over, nor RQ's own."""
    for key in sorted(key.decode() for key in redis.scan_iter(count=1000)):
        if not _is_expected(key, clerk):
            yield f"left in Redis: {key} = {_shown(redis, key)}"
    for queue in clerk.queues:
        finished = set(FinishedJobRegistry(queue=queue).get_job_ids(cleanup=False))
        canceled = set(CanceledJobRegistry(queue=queue).get_job_ids(cleanup=False))
        for name in sorted((finished - set(clerk.orders)) | (finished & set(clerk.canceled))):
            yield f"{name} is in the registry of finished jobs of {queue.name}"
        for name in sorted(canceled ^ (canceled & set(clerk.canceled))):
            yield f"{name} is in the registry of canceled jobs of {queue.name}"


def _is_expected(key: str, clerk: Clerk) -> bool:
    registries = [
        f"rq:{kind}:{queue.name}" for kind in ("finished", "canceled") for queue in clerk.queues
    ]
    is_job = key.startswith("rq:job:") and key.removeprefix("rq:job:") in clerk.orders
    return is_job or key in registries or key.startswith(_RQS_OWN)


def _shown(redis: Redis, key: str) -> object:
    read: dict[bytes, Callable[[], object]] = {
        b"zset": lambda: redis.zrange(key, 0, 9, withscores=True),
        b"list": lambda: redis.lrange(key, 0, 9),
        b"set": lambda: redis.smembers(key),
        b"hash": lambda: redis.hgetall(key),
        b"string": lambda: redis.get(key),
    }
    kind: Any = redis.type(key)
    return read[kind]() if kind in read else kind

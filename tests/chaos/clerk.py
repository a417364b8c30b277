"""Orders imports, sees to them, and knows what has become of each."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from redis import Redis
from rq import Queue
from rq.exceptions import InvalidJobOperation
from rq.job import Job, JobStatus
from rq.registry import CanceledJobRegistry, StartedJobRegistry

from tests.chaos.jobs import KINDS, Order

DIED_TOO_OFTEN = "times in a row"
"""In the message of a job that was killed again and again at one place: that may happen here."""
LOOK_EVERY = 0.2
VANISHED_AFTER = 10.0
"""Seconds in no queue, not begun and in nobody's hands; longer than anybody is frozen."""


class Failure(NamedTuple):
    job: str
    why: str


class Vanished(NamedTuple):
    """A job that was in no queue any more, and had not begun, since this time."""

    job: str
    since: float


class _Unlisted(NamedTuple):
    enqueued_at: object
    since: float


@dataclass
class Clerk:
    """Orders imports and sees to them.

    Args:
        folder: where journals and database are.
        dice: what the orders are is random, too.
    """

    redis: Redis
    queues: list[Queue]
    folder: Path
    dice: random.Random
    orders: dict[str, Order] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)
    """Ordered, and neither finished nor canceled for good."""
    canceled: dict[str, float] = field(default_factory=dict)
    """When each was canceled for good."""
    failures: list[Failure] = field(default_factory=list)
    """All that had to be requeued by hand."""
    vanished: list[Vanished] = field(default_factory=list)
    _unlisted: dict[str, _Unlisted] = field(default_factory=dict)
    _looked_at: float = 0.0

    def keep_busy(self, jobs: int) -> None:
        """Order as many imports as it takes to have so many under way."""
        while len(self.running) < jobs:
            self._order()

    def look_after(self) -> None:
        """See which are done, and put back those that failed or vanished."""
        if monotonic() < self._looked_at + LOOK_EVERY:
            return
        self._looked_at = monotonic()
        listed = self._listed()
        for job in Job.fetch_many(list(self.running), self.redis):
            if job is None:
                continue
            status = job.get_status(refresh=False)
            if status == JobStatus.FINISHED:
                self.running.remove(job.id)
            elif status == JobStatus.FAILED:
                self._requeue_failed(job)
            elif status == JobStatus.QUEUED and job.id not in listed:
                self._see_unlisted(job)
            else:
                self._unlisted.pop(job.id, None)

    def cancel(self, name: str) -> bool:
        """False where it is too late, or canceled already."""
        job = self.queues[0].fetch_job(name)
        if job is None or job.is_finished or job.is_failed:
            return False
        with suppress(InvalidJobOperation):
            job.cancel()
            return True
        return False

    def strike_off(self, name: str) -> None:
        """It is canceled for good."""
        self.canceled[name] = monotonic()
        self.running.remove(name)

    def requeue_canceled(self, name: str) -> None:
        job = self.queues[0].fetch_job(name)
        if job is not None:
            registry = CanceledJobRegistry(job.origin, connection=self.redis)
            registry.requeue(job)

    def look_at_registries(self) -> None:
        """As a dashboard does, and with it RQ's cleanup."""
        for queue in self.queues:
            StartedJobRegistry(queue=queue).get_job_count()

    def _order(self) -> None:
        kind, rows = self.dice.choice(KINDS), self.dice.randint(50, 800)
        name = f"{kind}-{len(self.orders) + 1}"
        order = Order(kind, name, rows, self.dice.choice((0.001, 0.003)))
        self.orders[name] = order
        self.running.append(name)
        args = (str(self.folder), name, rows, order.pace)
        self.dice.choice(self.queues).enqueue_call(
            order.function, args, job_id=name, result_ttl=-1, description=name
        )

    def _listed(self) -> set[str]:
        with self.redis.pipeline() as pipeline:
            for queue in self.queues:
                pipeline.lrange(queue.key, 0, -1)
                pipeline.lrange(queue.intermediate_queue_key, 0, -1)
            lists: list[list[bytes]] = pipeline.execute()
        return {job_id.decode() for each in lists for job_id in each}

    def _requeue_failed(self, job: Job) -> None:
        result = job.latest_result()
        why = (result.exc_string if result else None) or "failed without a reason"
        self.failures.append(Failure(job.id, why.strip().splitlines()[-1]))
        with suppress(InvalidJobOperation):
            job.requeue()

    def _see_unlisted(self, job: Job) -> None:
        """In the hands of a worker, which will begin it; or nowhere."""
        seen = self._unlisted.get(job.id)
        if seen is None or seen.enqueued_at != job.enqueued_at:
            self._unlisted[job.id] = _Unlisted(job.enqueued_at, monotonic())
        elif monotonic() > seen.since + VANISHED_AFTER:
            del self._unlisted[job.id]
            self.vanished.append(Vanished(job.id, seen.since))
            self._push_back(job)

    def _push_back(self, job: Job) -> None:
        with self.redis.pipeline() as pipeline:
            Queue(job.origin, connection=self.redis).push_job_id(job.id, pipeline=pipeline)
            pipeline.execute()

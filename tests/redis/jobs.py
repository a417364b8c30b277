"""Jobs for worker processes. Where they have been stands in Redis."""

from __future__ import annotations

from typing import Any

from redis import Redis
from rq import get_current_job
from rq.job import Job

from rq_steps import Step, continuable, step
from tests.redis.scene import another_copy, claimed_by_another

VISITED = "visited"
HELD = "held"
RELEASE = "release"


def visited(connection: Redis) -> list[str]:
    """Where the jobs have been, in order."""
    places: Any = connection.lrange(VISITED, 0, -1)
    return [place.decode() for place in places]


def visit(place: object) -> Job:
    job = get_current_job()
    assert job is not None
    job.connection.rpush(VISITED, str(place))
    return job


@step
def rows_until_lost(step: Step, how: str) -> None:
    for row in step.each(range(10)):
        job = visit(row)
        if row == 2:
            _LOSSES[how](job)


_LOSSES = {
    "cancel": lambda job: another_copy(job).cancel(),
    "delete": lambda job: another_copy(job).delete(),
    "claim": claimed_by_another,
}


@continuable(save_every=0)
def lose_job(how: str) -> None:
    """In its third row it loses the job to somebody else."""
    rows_until_lost(how)


def follow() -> None:
    visit("following")


@step
def rows_with_a_stop(step: Step, stop: int, count: int) -> None:
    for row in step.each(range(count)):
        job = visit(row)
        if row == stop:
            job.connection.rpush(HELD, row)
            job.connection.blpop([RELEASE], timeout=60)


@continuable(save_every=0)
def hold_at_row(stop: int, count: int) -> None:
    """In one row it waits to be released."""
    rows_with_a_stop(stop, count)

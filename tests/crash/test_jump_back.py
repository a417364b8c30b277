"""The server loses the last writes, as after a failover: work is repeated, and never skipped."""

from __future__ import annotations

from typing import Any

from redis import Redis
from rq import Queue
from rq.job import Job, JobStatus

from rq_steps import Step, continuable, step
from tests.redis.scene import completed, head, once_at, stop, visit, visits, work

COUNT = 4


@step
def rows(step: Step, name: str) -> str:
    for row in step.each(range(2)):
        visit(f"{name}{row}")
    return name


@continuable(save_every=0, error_wait=0)
def import_tables() -> list[str]:
    """Four steps with two rows each."""
    return [rows.with_options(name=name)(name) for name in "abcd"]


ALL = [f"{name}{row}" for name in "abcd" for row in range(2)]


class Replica:
    """Has a job as it stood a while ago, and takes over."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._kept: Any = {}

    def keep(self) -> None:
        self._kept = self._job.connection.hgetall(self._job.key)

    def take_over(self) -> None:
        self._job.connection.delete(self._job.key)
        self._job.connection.hset(self._job.key, mapping=self._kept)


def test_an_execution_tells_the_server_all_that_it_has_lost(
    connection: Redis, queue: Queue
) -> None:
    """It knows what it has saved, and so nothing need be repeated."""
    job = queue.enqueue(import_tables)
    replica = Replica(job)
    once_at("b0", replica.keep)
    once_at("d1", replica.take_over)
    work(connection)
    assert job.get_status() == "finished"
    assert visits == ALL
    assert [each["name"] for each in completed(job)] == list("abcd")


def test_a_record_that_was_saved_after_the_loss_has_no_hole(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_tables)
    replica = Replica(job)

    def lose_and_stop() -> None:
        replica.take_over()
        stop()

    once_at("b0", replica.keep)
    once_at("d0", lose_and_stop)
    work(connection)
    assert [each["name"] for each in completed(job)] == list("abc")
    work(connection)
    assert job.get_status() == "finished"
    assert visits == ALL


def test_where_the_execution_dies_with_the_loss_the_work_is_done_again(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_tables)
    replica = Replica(job)
    once_at("b1", replica.keep)
    once_at("d0", stop)
    work(connection)
    replica.take_over()
    job.set_status(JobStatus.QUEUED)
    visits.clear()
    work(connection)
    assert job.get_status() == "finished"
    assert visits == ALL[3:]


def test_after_a_completed_step_was_lost_all_that_followed_is_done_again(
    connection: Redis, queue: Queue
) -> None:
    """The head may have come through, and a step have not."""
    job = queue.enqueue(import_tables)
    once_at("d0", stop)
    work(connection)
    connection.hdel(job.key, "rq_steps:2")
    visits.clear()
    work(connection)
    assert job.get_status() == "finished"
    assert visits == ALL[2:]
    assert [each["name"] for each in completed(job)] == list("abcd")


def test_a_claim_that_was_lost_ends_the_execution_and_the_job_goes_on_from_there(
    connection: Redis, queue: Queue
) -> None:
    """For the server it is the one before that runs, which has ended."""
    job = queue.enqueue(import_tables)
    replica = Replica(job)
    once_at("a1", stop)
    work(connection)
    replica.keep()
    once_at("c0", replica.take_over)
    work(connection)
    assert job.get_status() == "queued"
    assert head(job)["completed"] == 1
    queue.push_job_id(job.id)
    work(connection)
    assert job.get_status() == "finished"
    assert visits == [*ALL[:5], *ALL[2:]]

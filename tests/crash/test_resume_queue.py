"""A job that died is resumed on the queue of `resume_queue`, as one that was interrupted is."""

from __future__ import annotations

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry

from rq_steps.books import open_executions
from rq_steps.lease import end_lease, has_lease, lease_key
from rq_steps.recovery import recover, recover_lost
from rq_steps.store import Store
from tests.crash.jobs import COUNT, STOP, Scene, import_rows_elsewhere
from tests.crash.scene import begin_elsewhere, forget_for_long, job_without_worker, shut_down_cold
from tests.redis.scene import another_copy, head, visits, work
from tests.workers import Workers

ALL = list(range(COUNT))


@pytest.fixture
def other(connection: Redis) -> Queue:
    return Queue("other", connection=connection)


@pytest.fixture
def lost(queue: Queue) -> Job:
    """Its worker and its work-horse died in its first step, long ago."""
    job = job_without_worker(queue, resume_queue="other")
    forget_for_long(job)
    return job


def assert_nothing_is_left_in(queue: Queue) -> None:
    assert queue.is_empty()
    assert queue.intermediate_queue.get_job_ids() == []
    assert queue.started_job_registry.get_job_ids(cleanup=False) == []
    assert queue.failed_job_registry.get_job_ids(cleanup=False) == []
    assert queue.connection.zcard(lease_key(queue.name, queue.connection)) == 0


def test_a_job_whose_horse_died_goes_on_there_where_it_was_last_saved(
    worker: Workers, queue: Queue, other: Queue, connection: Redis, scene: Scene
) -> None:
    job = queue.enqueue(import_rows_elsewhere, str(scene.folder), "die_once")
    worker("default", burst=True).wait()
    assert other.job_ids == [job.id]
    assert_nothing_is_left_in(queue)
    worker("other", burst=True).wait()
    assert job.get_status() == "finished"
    assert scene.visits == [*ALL[: STOP + 1], *ALL[STOP:]]
    assert_nothing_is_left_in(other)
    assert list(connection.scan_iter("*execution*")) == []


def test_a_job_that_a_cold_shutdown_has_cut_off_goes_on_there(
    worker: Workers, queue: Queue, other: Queue, scene: Scene
) -> None:
    job = queue.enqueue(import_rows_elsewhere, str(scene.folder), "hold")
    shut_down_cold(worker("default"), scene)
    assert other.job_ids == [job.id]
    assert_nothing_is_left_in(queue)


def test_a_lost_job_is_put_back_there_once(
    queue: Queue, other: Queue, connection: Redis, lost: Job
) -> None:
    assert recover_lost([queue, other]) == 1
    assert recover_lost([queue, other]) == 0
    assert other.job_ids == [lost.id]
    assert_nothing_is_left_in(queue)
    assert open_executions(another_copy(lost)) == []
    assert another_copy(lost).origin == "other"
    assert lost.get_status() == "queued"
    work(connection, "other")
    assert lost.get_status() == "finished"
    assert visits == [*range(10), "report"]


def test_it_goes_to_the_front(queue: Queue, other: Queue, lost: Job) -> None:
    waiting = other.enqueue(import_rows_elsewhere, "nowhere", "nothing")
    recover(queue, lost.id)
    assert other.job_ids == [lost.id, waiting.id]


def test_rq_knows_of_a_queue_that_nobody_else_has_used(queue: Queue, lost: Job) -> None:
    recover(queue, lost.id)
    assert "other" in [each.name for each in Queue.all(connection=queue.connection)]


def test_it_is_resumed_there_when_rq_has_failed_it_first(
    queue: Queue, other: Queue, lost: Job
) -> None:
    lost.set_status(JobStatus.FAILED)
    lost.failed_job_registry.add(lost)
    assert recover_lost([queue]) == 1
    assert other.job_ids == [lost.id]
    assert_nothing_is_left_in(queue)


def test_it_stays_there_when_it_dies_there(queue: Queue, other: Queue, lost: Job) -> None:
    recover(queue, lost.id)
    begin_elsewhere(other)
    copy = another_copy(lost)
    assert has_lease(copy)
    forget_for_long(copy)
    assert recover_lost([other]) == 1
    assert other.job_ids == [lost.id]
    assert head(lost)["deaths"] == 2


def test_a_worker_that_comes_late_leaves_it_alone_where_it_runs_by_now(
    queue: Queue, other: Queue, connection: Redis, lost: Job
) -> None:
    """The worker whose job it was was frozen, and closes its books on it."""
    recover(queue, lost.id)
    begin_elsewhere(other)
    found = open_executions(another_copy(lost))
    Store(lost, f"token of {lost.id}", "").renew()
    with connection.pipeline() as pipeline:
        end_lease(lost, "late", pipeline)
        pipeline.execute()
    assert recover_lost([queue]) == 0
    assert_nothing_is_left_in(queue)
    assert open_executions(another_copy(lost)) == found
    assert has_lease(another_copy(lost))


def test_one_that_dies_too_often_fails_where_it_died(queue: Queue, other: Queue) -> None:
    job = job_without_worker(queue, max_resumptions=0, resume_queue="other")
    recover(queue, job.id)
    assert job.get_status() == "failed"
    assert FailedJobRegistry(queue=queue).get_job_ids() == [job.id]
    assert other.is_empty()


def test_before_its_first_step_nothing_is_known_of_it_and_it_stays_where_it_is(
    queue: Queue, other: Queue
) -> None:
    job = queue.enqueue(import_rows_elsewhere, "nowhere", "nothing")
    begin_without_a_step(queue)
    recover(queue, job.id)
    assert queue.job_ids == [job.id]
    assert other.is_empty()


def begin_without_a_step(queue: Queue) -> None:
    [job] = queue.jobs
    queue.remove(job)
    job.set_status(JobStatus.STARTED)
    Store(job, "token", "").claim()

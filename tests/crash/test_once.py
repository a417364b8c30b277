"""However many look for a lost job, it is put back once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from redis import Redis
from rq import Queue
from rq.exceptions import StopRequested
from rq.job import JobStatus

from rq_steps import recovery
from rq_steps.books import open_executions
from rq_steps.lease import end_lease, has_lease, lease_key, take_lease
from rq_steps.recovery import Found, find, recover, recover_lost
from rq_steps.store import Store
from tests.crash import reaper
from tests.crash.scene import (
    Arrange,
    before_it_reads_executions,
    forget_for_long,
    job_without_worker,
    lost_job,
)
from tests.redis.scene import Worker, head, import_rows
from tests.workers import ROOT, wait_until


@contextmanager
def reapers(count: int, url: str) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.crash.reaper", url]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(count)]
    yield
    for process in processes:
        assert process.wait(60) == 0


def test_three_reapers_put_each_of_200_lost_jobs_back_once(
    connection: Redis, queue: Queue, redis_url: str
) -> None:
    jobs = [job_without_worker(queue) for _ in range(200)]
    for job in jobs:
        forget_for_long(job)
    with reapers(3, redis_url):
        wait_until(lambda: connection.llen(reaper.READY) == 3, "no three reapers")
        connection.lpush(reaper.GO, 1, 2, 3)
    assert sorted(queue.job_ids) == sorted(job.id for job in jobs)
    assert len(queue.job_ids) == 200
    found: Any = connection.lrange(reaper.FOUND, 0, -1)
    assert sum(map(int, found)) == 200


@pytest.fixture
def in_the_middle(monkeypatch: pytest.MonkeyPatch) -> Arrange:
    """Something happens once, when a reaper has found a job lost and not yet put it back."""
    return before_it_reads_executions(monkeypatch, recovery)


def test_a_reaper_does_not_put_back_what_another_has_just_put_back(
    queue: Queue, in_the_middle: Arrange
) -> None:
    job = lost_job(queue)
    in_the_middle(lambda: recover_lost([queue]))
    assert recover_lost([queue]) == 0
    assert queue.job_ids == [job.id]


def test_a_job_that_was_deleted_before_a_reaper_came_stays_deleted(
    queue: Queue, connection: Redis, in_the_middle: Arrange
) -> None:
    job = lost_job(queue)
    in_the_middle(lambda: job.delete())
    assert recover_lost([queue]) == 0
    assert not connection.exists(job.key)
    assert queue.job_ids == []


def test_a_job_that_was_canceled_stays_canceled(queue: Queue) -> None:
    job = lost_job(queue)
    job.cancel()
    assert recover_lost([queue]) == 0
    assert job.get_status() == "canceled"
    assert queue.connection.zcard(lease_key(queue.name, queue.connection)) == 0
    assert list(queue.connection.scan_iter("rq:execution*")) == []


def test_a_job_that_failed_by_itself_stays_failed(queue: Queue) -> None:
    job = lost_job(queue)
    store = Store(job, "token", "")
    store.save(store.claim().record, release=True)
    job.set_status(JobStatus.FAILED)
    forget_for_long(job)
    assert recover_lost([queue]) == 0
    assert job.get_status() == "failed"


def test_a_job_that_cannot_be_read_takes_no_worker_along_and_no_other_job(
    queue: Queue, connection: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """It has a status that this RQ does not know."""
    unknown, other = job_without_worker(queue), job_without_worker(queue)
    for job in (unknown, other):
        forget_for_long(job)
    connection.hset(unknown.key, "status", "of another RQ")
    assert recover_lost([queue]) == 1
    assert queue.job_ids == [other.id]
    assert f"Job {unknown.id}: cannot be put back" in caplog.messages
    caplog.clear()
    recover_lost([queue])
    assert caplog.messages == []
    assert has_lease(unknown)


def test_a_worker_that_is_told_to_stop_while_it_puts_a_job_back_stops(
    queue: Queue, in_the_middle: Arrange
) -> None:
    """RQ's handler of the signal raises there where the worker is."""
    job = lost_job(queue)

    def told() -> None:
        raise StopRequested

    in_the_middle(told)
    with pytest.raises(StopRequested):
        recover_lost([queue])
    assert recover_lost([queue]) == 1
    assert queue.job_ids == [job.id]


def test_a_job_that_is_heard_of_at_the_last_moment_is_left_alone(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reaper has seen its lease run out, and is about to look at the job."""
    job = lost_job(queue)

    def find_late(queue: Queue, job_id: str) -> Found | None:
        monkeypatch.undo()
        Store(job, f"token of {job.id}", "").renew()
        return find(queue, job_id)

    monkeypatch.setattr(recovery, "find", find_late)
    assert recover_lost([queue]) == 0
    assert job.get_status() == "started"
    assert has_lease(job)


def test_of_a_lost_job_nothing_is_left_in_the_intermediate_queue(
    queue: Queue, connection: Redis
) -> None:
    """RQ would fail what it sees there for the second time."""
    job, intermediate = lost_job(queue), queue.intermediate_queue
    connection.lpush(intermediate.key, job.id)
    intermediate.set_first_seen(job.id)
    recover(queue, job.id)
    assert queue.job_ids == [job.id]
    assert intermediate.get_job_ids() == []
    assert intermediate.get_first_seen(job.id) is None


def test_a_lease_that_has_not_run_out_is_respected(queue: Queue) -> None:
    job = lost_job(queue)
    Store(job, "token", "").claim()
    assert recover_lost([queue]) == 0
    assert job.get_status() == "started"


def test_a_worker_that_comes_late_does_not_end_the_lease_of_another_that_is_about_to_claim(
    queue: Queue, connection: Redis
) -> None:
    job = lost_job(queue)
    recover_lost([queue])
    execution = Worker([queue], connection=connection).prepare_execution(job)
    assert take_lease(job, queue, execution, through_intermediate=False)
    job.set_status(JobStatus.STARTED)
    with connection.pipeline() as pipeline:
        end_lease(job, "late", pipeline)
        pipeline.execute()
    assert has_lease(job)


def test_a_worker_that_comes_late_does_not_end_the_lease_of_another_that_is_about_to_put_it_back(
    queue: Queue, connection: Redis
) -> None:
    """That one dies just then."""
    job = lost_job(queue)
    store = Store(job, "token", "")
    store.save(store.claim().record, release=True)
    with connection.pipeline() as pipeline:
        end_lease(job, "late", pipeline)
        pipeline.execute()
    assert has_lease(job)
    forget_for_long(job)
    assert recover_lost([queue]) == 1
    assert queue.job_ids == [job.id]


def test_a_job_is_found_whose_execution_rq_has_forgotten(queue: Queue, connection: Redis) -> None:
    """Its hash expires before the entries do."""
    job = lost_job(queue)
    for execution in open_executions(job):
        connection.delete(execution.key)
    assert recover_lost([queue]) == 1
    assert open_executions(job) == []


def test_a_lost_job_that_a_stale_save_has_set_back_is_found(queue: Queue) -> None:
    job = lost_job(queue)
    job.set_status(JobStatus.QUEUED)
    assert recover_lost([queue]) == 1
    assert queue.job_ids == [job.id]


def test_what_a_lost_job_has_in_meta_is_kept(queue: Queue) -> None:
    job = lost_job(queue)
    job.meta["note"] = "theirs"
    job.save_meta()
    recover(queue, job.id)
    job.refresh()
    assert job.meta["note"] == "theirs"


def test_a_lost_job_with_a_ttl_does_not_vanish_from_its_queue(
    queue: Queue, connection: Redis
) -> None:
    job = queue.enqueue(import_rows, 10, ttl=60)
    queue.remove(job)
    job.set_status(JobStatus.STARTED)
    Store(job, "token", "").claim()
    recover(queue, job.id)
    assert connection.ttl(job.key) == -1


def test_a_death_that_is_not_counted_is_no_death(queue: Queue) -> None:
    job = lost_job(queue)
    recover(queue, job.id, counted=False)
    assert head(job)["deaths"] == 0
    assert head(job)["resumptions"] == 1

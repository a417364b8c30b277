"""Interrupted is not failed: what RQ's own books say, during and after interruptions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import rq.worker
from redis import Redis
from rq import Callback, Queue, Repeat, Retry
from rq.group import Group
from rq.job import Job
from rq.registry import BaseRegistry
from rq.results import Result
from rq.utils import as_text

import rq_steps
from tests.processes import jobs, restless
from tests.processes.course import Course
from tests.processes.restless import EXECUTIONS, WAYS, status, work_once, work_until_done

both_kinds = pytest.mark.parametrize("worker_class", [rq_steps.SimpleWorker, rq_steps.Worker])
all_ways = pytest.mark.parametrize("way", WAYS)
PLACES = [str(number) for number in range(EXECUTIONS)]


def interruptions(job: Job, **options: Any) -> Iterator[None]:
    """Stop after each interruption, and not at the end."""
    for _ in work_until_done(job, **options):
        if status(job) in ("queued", "scheduled"):
            yield


def registries(queue: Queue) -> dict[str, BaseRegistry]:
    names = ("started", "failed", "finished", "deferred", "canceled", "scheduled")
    return {name: getattr(queue, f"{name}_job_registry") for name in names}


def registered(queue: Queue, job: Job) -> set[str]:
    """In which of RQ's registries the job is."""
    return {
        name
        for name, registry in registries(queue).items()
        if job.id in registry.get_job_ids(cleanup=False)
    }


@both_kinds
@all_ways
def test_an_interruption_counts_neither_as_failure_nor_as_success(
    way: str, worker_class: type[rq.worker.BaseWorker], queue: Queue, course: Course
) -> None:
    job = queue.enqueue(restless.restless, way)
    *interrupted, last = work_until_done(job, worker_class=worker_class)
    assert len(interrupted) == EXECUTIONS - 1
    assert not any("failed_job_count" in each for each in interrupted)
    assert not any("successful_job_count" in each for each in interrupted)
    assert "failed_job_count" not in last
    assert last["successful_job_count"] == "1"
    assert course.visited == PLACES


@both_kinds
def test_the_working_time_of_every_execution_is_booked(
    worker_class: type[rq.worker.BaseWorker], queue: Queue
) -> None:
    job = queue.enqueue(restless.restless, "stopping")
    booked = list(work_until_done(job, worker_class=worker_class))
    assert all(0 < float(each["total_working_time"]) < 10 for each in booked)


@both_kinds
@all_ways
def test_only_the_end_has_a_result(
    way: str, worker_class: type[rq.worker.BaseWorker], queue: Queue, connection: Redis
) -> None:
    job = queue.enqueue(restless.restless, way)
    for _ in interruptions(job, worker_class=worker_class):
        assert job.results() == []
        assert not connection.hexists(job.key, "result")
    (result,) = job.results()
    assert (result.type, result.return_value) == (Result.Type.SUCCESSFUL, "done")


@all_ways
@pytest.mark.parametrize(("fails", "called"), [(False, "success {} done"), (True, "failure {}")])
def test_callbacks_are_called_once_and_only_at_the_end(
    fails: bool, called: str, way: str, queue: Queue, connection: Redis
) -> None:
    job = queue.enqueue(
        restless.restless,
        way,
        fails=fails,
        on_success=Callback(restless.note_success),
        on_failure=Callback(restless.note_failure),
        on_stopped=Callback(restless.note_stop),
    )
    for _ in interruptions(job):
        assert not connection.exists("called")
    assert connection.lrange("called", 0, -1) == [called.format(job.id).encode()]


@all_ways
@pytest.mark.parametrize("ttl", [None, 3600])
def test_dependents_wait_while_the_job_is_interrupted(
    ttl: int | None, way: str, queue: Queue, connection: Redis
) -> None:
    job = queue.enqueue(restless.restless, way, ttl=ttl, result_ttl=600)
    dependent = queue.enqueue(jobs.plain, 0, depends_on=job)
    for _ in interruptions(job):
        assert dependent.get_status() == "deferred"
        assert connection.smembers(job.dependents_key) == {dependent.id.encode()}
        assert connection.ttl(job.dependents_key) == -1
    assert dependent.get_status() == "queued"


@all_ways
def test_a_job_that_depends_on_another_is_not_deferred_again(
    way: str, queue: Queue, connection: Redis
) -> None:
    first = queue.enqueue(jobs.plain, 0, result_ttl=0)
    job = queue.enqueue(restless.restless, way, depends_on=first, ttl=3600)
    work_once(connection)
    for _ in interruptions(job):
        assert registered(queue, job) <= {"scheduled"}
    assert job.is_finished


@both_kinds
@all_ways
def test_an_interrupted_job_is_in_no_registry_but_the_one_it_waits_in(
    way: str, worker_class: type[rq.worker.BaseWorker], queue: Queue, connection: Redis
) -> None:
    job = queue.enqueue(restless.restless, way)
    for _ in interruptions(job, worker_class=worker_class):
        waits = job.get_status() == "scheduled"
        assert registered(queue, job) == ({"scheduled"} if waits else set())
        assert queue.job_ids == ([] if waits else [job.id])
        assert not connection.exists(queue.intermediate_queue_key)
        assert job.get_executions() == []
        assert connection.keys("rq:execution*") == []
    assert registered(queue, job) == {"finished"}


@both_kinds
@all_ways
def test_an_interrupted_job_leaves_the_keys_behind_that_a_plain_one_does(
    way: str, worker_class: type[rq.worker.BaseWorker], queue: Queue, connection: Redis
) -> None:
    plain = queue.enqueue(jobs.plain, 0)
    for _ in work_until_done(plain, worker_class=worker_class):
        pass
    expected = keys(connection, plain)
    connection.flushall()
    job = queue.enqueue(restless.restless, way)
    for _ in work_until_done(job, worker_class=worker_class):
        pass
    connection.delete("visited")
    assert keys(connection, job) == expected


def keys(connection: Redis, job: Job) -> dict[str, bool]:
    """All keys but those of workers and their names, and whether each expires."""
    names = [name for name in map(as_text, connection.keys("*")) if "rq:worker:" not in name]
    return {name.replace(job.id, "JOB"): connection.ttl(name) > 0 for name in names}


@all_ways
def test_an_interrupted_job_does_not_expire_in_its_queue(
    way: str, queue: Queue, connection: Redis
) -> None:
    job = queue.enqueue(restless.restless, way, ttl=3600)
    assert connection.ttl(job.key) > 0
    for _ in interruptions(job):
        assert connection.ttl(job.key) == -1
        job.refresh()
        assert job.ttl == 3600


@all_ways
def test_a_result_that_is_not_kept_leaves_nothing_behind(
    way: str, queue: Queue, connection: Redis
) -> None:
    job = queue.enqueue(restless.restless, way, result_ttl=0)
    for _ in interruptions(job):
        assert Job.exists(job.id, connection)
    assert [key for key in connection.keys("*") if job.id.encode() in key] == []
    assert registered(queue, job) == set()


def test_a_result_that_is_kept_for_ever_is(queue: Queue, connection: Redis) -> None:
    job = queue.enqueue(restless.restless, "own", ttl=3600, result_ttl=-1)
    for _ in interruptions(job):
        pass
    assert connection.ttl(job.key) == -1
    assert job.return_value() == "done"


def test_a_job_that_fails_in_the_end_is_kept_as_long_as_it_says(
    queue: Queue, connection: Redis
) -> None:
    job = queue.enqueue(restless.restless, "own", fails=True, failure_ttl=60)
    for _ in interruptions(job):
        pass
    assert registered(queue, job) == {"failed"}
    seconds, _ = connection.time()
    until = connection.zscore(queue.failed_job_registry.key, job.id) or 0
    assert seconds < until <= seconds + 60
    (result,) = job.results()
    assert result.type == Result.Type.FAILED


@all_ways
def test_an_interrupted_job_stays_in_its_group(way: str, queue: Queue, connection: Redis) -> None:
    group = Group.create(connection)
    (job,) = group.enqueue_many(queue, [Queue.prepare_data(restless.restless, (way,))])
    for _ in interruptions(job):
        assert [each.id for each in group.get_jobs()] == [job.id]
        assert job.group_id == group.name
    assert [each.id for each in group.get_jobs()] == [job.id]


@all_ways
def test_interruptions_use_up_no_repetition(way: str, queue: Queue, course: Course) -> None:
    job = queue.enqueue(restless.restless, way, repeat=Repeat(times=1))
    left = []
    for _ in interruptions(job):
        job.refresh()
        left.append(job.repeats_left)
    assert left == [1] * (EXECUTIONS - 1) + [0] * EXECUTIONS
    assert course.visited == PLACES * 2


@all_ways
def test_interruptions_use_up_no_retry(way: str, queue: Queue, connection: Redis) -> None:
    job = queue.enqueue(restless.restless, way, fails=True, retry=Retry(max=1, interval=0))
    for _ in interruptions(job):
        if connection.llen("visited") < EXECUTIONS:
            job.refresh()
            assert (job.retries_left, job.number_of_retries) == (1, None)
    job.refresh()
    assert (job.retries_left, job.is_failed) == (0, True)


@all_ways
def test_an_interrupted_job_keeps_its_timeout(way: str, queue: Queue) -> None:
    job = queue.enqueue(restless.restless, way, job_timeout=1234)
    for _ in interruptions(job):
        job.refresh()
        assert job.timeout == 1234


@all_ways
def test_an_interrupted_job_keeps_what_it_was_enqueued_with(
    way: str, queue: Queue, connection: Redis
) -> None:
    job = queue.enqueue(
        restless.restless,
        way,
        description="restless as ever",
        meta={"mine": 1},
        on_success=Callback(restless.note_success, timeout=11),
        on_failure=Callback(restless.note_failure, timeout=12),
        on_stopped=Callback(restless.note_stop, timeout=13),
        retry=Retry(max=3, interval=[4, 5], enqueue_at_front=True),
        result_ttl=600,
        failure_ttl=700,
        ttl=800,
    )
    before = unchanging(connection, job)
    for _ in interruptions(job):
        assert unchanging(connection, job) == before
        assert job.get_meta()["mine"] == 1


def unchanging(connection: Redis, job: Job) -> dict[str, object]:
    """Every field of the job but those that each execution writes."""
    changing = {"status", "meta", "last_heartbeat", "worker_name", "enqueued_at"}
    changing |= {"started_at", "ended_at"}
    fields = {as_text(name): value for name, value in connection.hgetall(job.key).items()}
    ours = {name for name in fields if name.startswith("rq_steps")}
    return {name: fields[name] for name in fields.keys() - changing - ours}


@all_ways
def test_an_interrupted_job_does_not_look_stuck_between_queue_and_worker(
    way: str, queue: Queue, connection: Redis
) -> None:
    """RQ notes when it first saw a job there, for up to a day, and fails what is there again."""
    job = queue.enqueue(restless.restless, way)
    first_seen = queue.intermediate_queue.get_first_seen_key(job.id)
    queue.intermediate_queue.set_first_seen(job.id)
    for _ in interruptions(job):
        assert not connection.exists(first_seen)
        queue.intermediate_queue.set_first_seen(job.id)

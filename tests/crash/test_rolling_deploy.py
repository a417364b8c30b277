"""Two versions of the worker side by side, and records of either."""

from __future__ import annotations

import json
from typing import Any

from redis import Redis
from rq import Queue
from rq.job import Job

from rq_steps.record import VERSION
from tests.crash.jobs import COUNT, STOP, Scene, import_rows
from tests.redis.scene import (
    cursor,
    failure,
    fields,
    head,
    is_waiting,
    once_at,
    pass_time,
    stop,
    visits,
    wait_of,
    work,
)
from tests.redis.scene import import_rows as import_rows_here
from tests.workers import WorkerProcess, Workers, wait_until

ALL = list(range(COUNT))
NEWER = "tests.crash.newer.Worker"
WARNING = "the record was written by a newer rq_steps"


def stop_in_its_item(running: WorkerProcess, scene: Scene) -> None:
    wait_until(lambda: scene.is_held, "the job has not come to its item")
    running.terminate()
    running.wait_for_output("warm shut down requested")
    scene.release()
    running.wait()


def test_a_job_goes_from_a_newer_worker_past_an_older_one_to_a_newer_one(
    worker: Workers, queue: Queue, scene: Scene
) -> None:
    job = queue.enqueue(import_rows, str(scene.folder), "hold")
    stop_in_its_item(worker(worker_class=NEWER), scene)
    assert head(job)["version"] == VERSION + 1
    older = worker(burst=True)
    older.wait()
    assert WARNING in older.output
    assert is_waiting(job)
    assert scene.visits == ALL[: STOP + 1]
    pass_time(queue)
    worker(worker_class=NEWER)
    wait_until(lambda: job.get_status() == "finished", "the newer worker does not pick it up")
    assert scene.visits == ALL


def test_a_job_goes_from_an_older_worker_to_a_newer_one(
    worker: Workers, queue: Queue, scene: Scene
) -> None:
    job = queue.enqueue(import_rows, str(scene.folder), "hold")
    stop_in_its_item(worker(), scene)
    assert head(job)["version"] == VERSION
    worker(worker_class=NEWER, burst=True).wait()
    assert job.get_status() == "finished"
    assert scene.visits == ALL


def change_head(job: Job, **changes: Any) -> None:
    job.connection.hset(job.key, "rq_steps", json.dumps(head(job) | changes))


def stopped_job(queue: Queue) -> Job:
    job = queue.enqueue(import_rows_here, 10)
    once_at(4, stop)
    work(queue.connection)
    visits.clear()
    return job


def test_a_record_of_the_first_version_is_read(connection: Redis, queue: Queue) -> None:
    """It knew nothing of deaths."""
    job = stopped_job(queue)
    old = head(job)
    for name in ("deaths", "died_at", "max_resumptions"):
        del old[name]
    connection.hset(job.key, "rq_steps", json.dumps(old | {"version": 1}))
    work(connection)
    assert job.get_status() == "finished"
    assert visits == [5, 6, 7, 8, 9, "report"]


def test_a_newer_record_is_left_as_it_is(connection: Redis, queue: Queue) -> None:
    job = stopped_job(queue)
    change_head(job, version=VERSION + 1, unknown=["something"])
    before = fields(job)["rq_steps"]
    work(connection)
    assert fields(job)["rq_steps"] == before
    assert visits == []


def test_it_waits_and_goes_on_waiting_for_a_stated_time(connection: Redis, queue: Queue) -> None:
    job = stopped_job(queue)
    change_head(job, version=VERSION + 1)
    for _ in range(5):
        work(connection)
        assert is_waiting(job)
        assert 29 < wait_of(job, queue) <= 30
        pass_time(queue)
    assert head(job)["errors"] == 0


def test_when_no_newer_worker_has_come_for_that_time_it_fails_with_its_record(
    connection: Redis, queue: Queue
) -> None:
    job = stopped_job(queue)
    change_head(job, version=VERSION + 1)
    work(connection)
    pass_time(queue)
    connection.hincrby(job.key, "rq_steps:newer_since", -3600)
    work(connection)
    assert failure(job) == (
        "rq_steps.errors.NewerRecordError: the record was written by a newer rq_steps "
        f"(version {VERSION + 1}, this one reads up to {VERSION}): run the job on a newer worker"
    )
    assert cursor(job) == 5
    queue.failed_job_registry.requeue(job)
    work(connection)
    assert is_waiting(job)


def test_what_an_older_worker_has_noted_is_gone_when_a_newer_one_takes_over(
    connection: Redis, queue: Queue
) -> None:
    job = stopped_job(queue)
    change_head(job, version=VERSION + 1)
    work(connection)
    assert "rq_steps:newer_since" in fields(job)
    change_head(job, version=VERSION)
    pass_time(queue)
    work(connection)
    assert job.get_status() == "finished"
    assert "rq_steps:newer_since" not in fields(job)

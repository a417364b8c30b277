"""A worker dies, and its work-horse does not: that interrupts itself, and puts the job back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job

from tests.crash.jobs import COUNT, STOP, Scene, import_rows, import_rows_unsaved, plain
from tests.redis.scene import head
from tests.workers import WorkerProcess, Workers, wait_until

ALL = list(range(COUNT))
ELSEWHERE = "tests.crash.workers.Elsewhere"


def orphan(running: WorkerProcess, scene: Scene) -> None:
    """Its job is in its item, and the worker is killed; then the item goes on."""
    wait_until(lambda: scene.is_held, "the job has not come to its item")
    running.kill()
    scene.release()
    wait_until(lambda: not running.processes, "the horse goes on")


@pytest.mark.parametrize("function", [import_rows, import_rows_unsaved])
def test_an_orphaned_horse_interrupts_its_job_and_puts_it_back(
    worker: Workers, queue: Queue, scene: Scene, function: Callable[..., int]
) -> None:
    job = queue.enqueue(function, str(scene.folder), "hold")
    orphan(worker(), scene)
    assert job.get_status() == "queued"
    assert queue.job_ids == [job.id]
    assert scene.visits == ALL[: STOP + 1]


def test_no_work_is_repeated_after_a_worker_died(
    worker: Workers, queue: Queue, scene: Scene
) -> None:
    job = queue.enqueue(import_rows_unsaved, str(scene.folder), "hold")
    orphan(worker(), scene)
    worker(burst=True).wait()
    assert job.get_status() == "finished"
    assert scene.visits == ALL
    assert head(job)["deaths"] == 0


def test_where_no_signal_tells_of_it_the_horse_notices_with_a_save(
    worker: Workers, queue: Queue, scene: Scene
) -> None:
    job = queue.enqueue(import_rows, str(scene.folder), "hold")
    orphan(worker(worker_class=ELSEWHERE), scene)
    assert job.get_status() == "queued"
    assert scene.visits == ALL[: STOP + 1]


def test_an_orphan_in_a_long_item_is_not_taken_for_lost(
    quick_worker: Callable[..., WorkerProcess], connection: Redis, queue: Queue, scene: Scene
) -> None:
    """Its worker no longer writes into RQ's books that it runs; so it does itself."""
    job = queue.enqueue(import_rows, str(scene.folder), "hold")
    running = quick_worker()
    wait_until(lambda: scene.is_held, "the job has not come to its item")
    running.kill()
    key = queue.started_job_registry.key
    entries: Any = connection.zrange(key, 0, -1)
    entry: bytes = entries[0]
    connection.zadd(key, {entry: 1})
    wait_until(lambda: (connection.zscore(key, entry) or 0) > 1, "nobody says that the job runs")
    quick_worker(burst=True).wait()
    assert job.get_status() == "started"
    scene.release()
    wait_until(lambda: not running.processes, "the horse goes on")
    assert queue.job_ids == [job.id]
    assert scene.visits == ALL[: STOP + 1]


def test_a_plain_job_of_a_worker_that_died_goes_on_as_with_rq(
    worker: Workers, queue: Queue, scene: Scene
) -> None:
    job: Job = queue.enqueue(plain, str(scene.folder), "hold")
    orphan(worker(), scene)
    assert job.get_status() == "finished"
    assert scene.visits == ALL

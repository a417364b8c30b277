"""A worker dies together with its work-horse: any other worker finds their job."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis
from rq import Queue, Retry
from rq.job import Job

from rq_steps.lease import lease_key
from tests.crash.jobs import (
    COUNT,
    STOP,
    Scene,
    import_rows,
    import_rows_dying_early,
    import_rows_unsaved,
    keep_busy,
    plain,
)
from tests.crash.scene import lost_job
from tests.redis.scene import Worker, another_copy, head
from tests.workers import WorkerProcess, wait_until

ALL = list(range(COUNT))
QuickWorker = Callable[..., WorkerProcess]


def lose(running: WorkerProcess, scene: Scene) -> None:
    """Its job is in its item, and everything is killed."""
    wait_until(lambda: scene.is_held, "the job has not come to its item")
    running.kill_tree()
    scene.release()


def wait_for_end(job: Job) -> None:
    wait_until(lambda: job.get_status() == "finished", "the job was not done")


@pytest.mark.parametrize(
    ("function", "repeated"), [(import_rows, ALL[STOP:]), (import_rows_unsaved, ALL)]
)
def test_a_lost_job_is_found_and_goes_on_where_it_was_last_saved(
    quick_worker: QuickWorker,
    queue: Queue,
    scene: Scene,
    function: Callable[..., int],
    repeated: list[int],
) -> None:
    job = queue.enqueue(function, str(scene.folder), "hold")
    lose(quick_worker(), scene)
    quick_worker()
    wait_for_end(job)
    assert scene.visits == [*ALL[: STOP + 1], *repeated]
    assert head(job)["executions"] == 2


def test_a_job_is_found_that_was_lost_before_its_first_step(
    quick_worker: QuickWorker, queue: Queue, scene: Scene
) -> None:
    job = queue.enqueue(import_rows_dying_early, str(scene.folder))
    quick_worker().wait()
    assert job.get_status() == "started"
    quick_worker()
    wait_for_end(job)
    assert scene.visits == ALL


def test_a_lost_job_is_no_failure(quick_worker: QuickWorker, queue: Queue, scene: Scene) -> None:
    job = queue.enqueue(import_rows, str(scene.folder), "hold", retry=Retry(max=2))
    lose(quick_worker(), scene)
    quick_worker()
    wait_for_end(job)
    after = another_copy(job)
    assert (after.retries_left, after.number_of_retries) == (2, None)
    assert [result.type.name for result in job.results()] == ["SUCCESSFUL"]


def test_a_busy_worker_finds_a_lost_job_too(
    quick_worker: QuickWorker, queue: Queue, scene: Scene
) -> None:
    job = queue.enqueue(import_rows, str(scene.folder), "hold")
    lost = quick_worker()
    wait_until(lambda: scene.is_held, "the job has not come to its item")
    busy = queue.enqueue(keep_busy, str(scene.folder))
    quick_worker(args=["--job-monitoring-interval", "1"])
    wait_until(lambda: busy.get_status() == "started", "the other worker is not busy")
    lost.kill_tree()
    wait_until(lambda: queue.job_ids == [job.id], "the job was not found")
    assert busy.get_status() == "started"


def test_a_job_lost_by_a_stock_worker_is_found(
    quick_worker: QuickWorker, queue: Queue, scene: Scene
) -> None:
    job = queue.enqueue(import_rows, str(scene.folder), "hold")
    lose(quick_worker(worker_class="rq.Worker"), scene)
    quick_worker()
    wait_for_end(job)
    assert scene.visits == [*ALL[: STOP + 1], *ALL[STOP:]]


def test_a_lost_plain_job_is_left_to_rq(
    quick_worker: QuickWorker, queue: Queue, connection: Redis, scene: Scene
) -> None:
    job = queue.enqueue(plain, str(scene.folder), "hold")
    lose(quick_worker(), scene)
    assert connection.zcard(lease_key(queue.name, connection)) == 0
    quick_worker(burst=True).wait()
    assert job.get_status() == "started"


def test_a_job_is_not_lost_while_its_code_lets_no_thread_run(
    quick_worker: QuickWorker, queue: Queue, connection: Redis, scene: Scene
) -> None:
    """The work-horse is deaf and dumb, and its worker vouches for it."""
    os.mkfifo(scene.pipe)
    pipe = os.open(scene.pipe, os.O_RDWR)
    key = lease_key(queue.name, connection)
    job = queue.enqueue(import_rows, str(scene.folder), "hold_deaf")
    quick_worker()
    wait_until(lambda: scene.is_held, "the job has not come to its item")
    first = connection.zscore(key, job.id) or 0
    other = quick_worker()
    other.wait_until_listening()
    wait_until(lambda: connection.time()[0] > first + 1, "time stands still")
    assert job.get_status() == "started"
    os.write(pipe, b"x")
    wait_for_end(job)
    os.close(pipe)
    assert scene.visits == ALL


def expire(queue: Queue) -> None:
    """RQ has heard nothing of the started jobs of this queue for long enough."""
    key = queue.started_job_registry.key
    entries: Any = queue.connection.zrange(key, 0, -1)
    queue.connection.zadd(key, dict.fromkeys(entries, 1))


def rq_info(queue: Queue, url: str) -> None:
    command = [sys.executable, "-m", "rq.cli", "info", "--url", url]
    subprocess.run(command, check=True, capture_output=True)


def count_started(queue: Queue, url: str) -> None:
    len(queue.started_job_registry)


def clean_up(queue: Queue, url: str) -> None:
    queue.started_job_registry.cleanup()


@pytest.mark.parametrize("visitor", [rq_info, count_started, clean_up])
def test_a_lost_job_that_rqs_own_cleanup_failed_first_goes_on(
    quick_worker: QuickWorker,
    queue: Queue,
    redis_url: str,
    scene: Scene,
    visitor: Callable[[Queue, str], None],
) -> None:
    job = queue.enqueue(import_rows, str(scene.folder), "hold")
    lose(quick_worker(), scene)
    expire(queue)
    visitor(queue, redis_url)
    assert job.get_status() == "failed"
    quick_worker()
    wait_for_end(job)
    assert scene.visits == [*ALL[: STOP + 1], *ALL[STOP:]]
    assert queue.failed_job_registry.count == 0


def test_a_lost_job_that_rqs_own_cleanup_put_back_first_runs_once(
    quick_worker: QuickWorker, queue: Queue, scene: Scene
) -> None:
    job = queue.enqueue(import_rows, str(scene.folder), "hold", retry=Retry(max=1))
    lose(quick_worker(), scene)
    expire(queue)
    queue.started_job_registry.cleanup()
    assert job.get_status() == "queued"
    quick_worker()
    wait_for_end(job)
    wait_until(
        lambda: not queue.connection.zcard(lease_key(queue.name, queue.connection)),
        "a lease is left",
    )
    assert scene.visits == [*ALL[: STOP + 1], *ALL[STOP:]]
    assert queue.is_empty()


def test_our_own_cleanup_puts_a_lost_job_back_before_rqs_can_fail_it(
    queue: Queue, connection: Redis
) -> None:
    job = lost_job(queue)
    expire(queue)
    Worker([queue], connection=connection).clean_registries()
    assert job.get_status() == "queued"
    assert job.latest_result() is None

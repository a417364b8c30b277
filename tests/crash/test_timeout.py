"""The job timeout is a slice of the job; and an item that is too long for a shutdown is named."""

from __future__ import annotations

from time import monotonic

from rq import Queue

from tests.crash.jobs import (
    COUNT,
    STOP,
    Scene,
    import_and_hang,
    import_rows,
    import_slowly,
)
from tests.redis.scene import cursor, failure, head
from tests.workers import Workers, wait_until

ALL = list(range(COUNT))
WARNING = "step 'rows' had no checkpoint for"


def test_a_job_that_takes_longer_than_its_timeout_runs_on_slice_by_slice(
    worker: Workers, queue: Queue, scene: Scene
) -> None:
    job = queue.enqueue(import_slowly, str(scene.folder), 120, job_timeout=1)
    worker(burst=True).wait()
    assert job.get_status() == "finished"
    assert scene.visits == list(range(120))
    assert head(job)["executions"] > 2
    assert head(job)["errors"] == 0
    assert head(job)["resumptions"] == 0


def test_an_item_that_alone_exceeds_the_timeout_fails_and_is_named(
    worker: Workers, queue: Queue, scene: Scene
) -> None:
    job = queue.enqueue(import_and_hang, str(scene.folder), job_timeout=1)
    worker(burst=True).wait()
    assert failure(job) == (
        "rq.timeouts.JobTimeoutException: "
        "Task exceeded maximum timeout value (1 seconds) at 'rows', cursor 5"
    )
    assert cursor(job) == STOP
    assert scene.visits == [*ALL[: STOP + 1], STOP]


def hold_for(seconds: float, scene: Scene) -> None:
    wait_until(lambda: scene.is_held, "the job has not come to its item")
    end = monotonic() + seconds
    wait_until(lambda: monotonic() > end, "time stands still")
    scene.release()


def test_an_item_that_a_shutdown_would_cut_off_is_warned_of(
    worker: Workers, queue: Queue, scene: Scene
) -> None:
    job = queue.enqueue(import_rows, str(scene.folder), "hold")
    running = worker(env={"RQ_STEPS_GRACE": "0.2"})
    hold_for(0.3, scene)
    wait_until(lambda: job.get_status() == "finished", "the job was not done")
    assert running.output.count(WARNING) == 1


def test_no_item_is_warned_of_that_a_shutdown_leaves_its_time(
    worker: Workers, queue: Queue, scene: Scene
) -> None:
    job = queue.enqueue(import_rows, str(scene.folder), "hold")
    running = worker()
    hold_for(0.3, scene)
    wait_until(lambda: job.get_status() == "finished", "the job was not done")
    assert WARNING not in running.output


def test_quick_items_are_not_taken_for_a_long_one(
    worker: Workers, queue: Queue, scene: Scene
) -> None:
    """Most of their checkpoints are not seen."""
    queue.enqueue(import_slowly, str(scene.folder), 60)
    running = worker(env={"RQ_STEPS_GRACE": "0.5"}, burst=True)
    running.wait()
    assert "had no checkpoint" not in running.output

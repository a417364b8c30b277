"""Worker and work-horse are frozen until somebody else has taken over, and then go on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress

import pytest
from rq import Callback, Queue

from tests.crash.jobs import COUNT, Scene, import_rows, import_rows_unsaved, tell
from tests.redis.scene import everything_but_the_heartbeat
from tests.workers import WorkerProcess, wait_until

ALL = list(range(COUNT))
QuickWorker = Callable[..., WorkerProcess]


def send(running: WorkerProcess, how: signal.Signals) -> None:
    for pid in running.processes:
        with suppress(ProcessLookupError):  # one that was killed goes when it likes
            os.kill(pid, how)


def freeze_in_its_item(running: WorkerProcess, scene: Scene) -> None:
    wait_until(lambda: scene.is_held, "the job has not come to its item")
    send(running, signal.SIGSTOP)


def thaw_until_idle(running: WorkerProcess, scene: Scene) -> None:
    scene.release()
    send(running, signal.SIGCONT)
    wait_until(lambda: not running.horses, "the old execution goes on")


@pytest.mark.parametrize("happening", ["hold", "hold_and_fail"])
@pytest.mark.parametrize("function", [import_rows, import_rows_unsaved])
def test_an_execution_that_was_frozen_until_another_finished_the_job_writes_nothing(
    quick_worker: QuickWorker,
    queue: Queue,
    scene: Scene,
    function: Callable[..., int],
    happening: str,
) -> None:
    job = queue.enqueue(function, str(scene.folder), happening, on_failure=Callback(tell))
    frozen = quick_worker()
    freeze_in_its_item(frozen, scene)
    other = quick_worker()
    wait_until(lambda: job.get_status() == "finished", "nobody has taken over")
    other.terminate()
    other.wait()
    before, results = everything_but_the_heartbeat(job), len(job.results())
    thaw_until_idle(frozen, scene)
    assert everything_but_the_heartbeat(job) == before
    assert len(job.results()) == results == 1
    assert queue.failed_job_registry.count == 0
    assert queue.is_empty()
    assert scene.told == []


def test_an_execution_that_was_frozen_while_another_runs_the_job_lets_it_go_on(
    quick_worker: QuickWorker, queue: Queue, scene: Scene
) -> None:
    """The one that was frozen is in another item, which ends before the other's does."""
    job = queue.enqueue(import_rows, str(scene.folder), "hold_each_time")
    frozen = quick_worker()
    freeze_in_its_item(frozen, scene)
    quick_worker()
    wait_until(lambda: scene.is_held_again, "nobody has taken over")
    before = everything_but_the_heartbeat(job)
    scene.release(0)
    send(frozen, signal.SIGCONT)
    wait_until(lambda: not frozen.horses, "the old execution goes on")
    assert everything_but_the_heartbeat(job) == before
    assert job.get_status() == "started"
    scene.release(1)
    wait_until(lambda: job.get_status() == "finished", "the job was not done")


def test_a_worker_that_was_frozen_works_on(
    quick_worker: QuickWorker, queue: Queue, scene: Scene
) -> None:
    job = queue.enqueue(import_rows, str(scene.folder), "hold")
    frozen = quick_worker()
    freeze_in_its_item(frozen, scene)
    other = quick_worker()
    wait_until(lambda: job.get_status() == "finished", "nobody has taken over")
    other.kill_tree()
    thaw_until_idle(frozen, scene)
    next_job = queue.enqueue(import_rows, str(scene.folder))
    wait_until(lambda: next_job.get_status() == "finished", "the worker does nothing more")
    assert frozen.running


def test_a_horse_that_is_killed_after_another_has_taken_over_changes_nothing(
    quick_worker: QuickWorker, queue: Queue, scene: Scene
) -> None:
    job = queue.enqueue(import_rows, str(scene.folder), "hold")
    frozen = quick_worker()
    freeze_in_its_item(frozen, scene)
    horse = frozen.horse()
    other = quick_worker()
    wait_until(lambda: job.get_status() == "finished", "nobody has taken over")
    other.kill_tree()
    before = everything_but_the_heartbeat(job)
    os.kill(horse, signal.SIGKILL)
    send(frozen, signal.SIGCONT)
    next_job = queue.enqueue(import_rows, str(scene.folder))
    wait_until(lambda: next_job.get_status() == "finished", "the worker does nothing more")
    assert everything_but_the_heartbeat(job) == before

"""A callback of RQ's may take longer than a lease. The execution has ended, and the job lives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from redis import Redis
from rq import Callback, Queue

from rq_steps.lease import lease_key
from tests.crash.conftest import LEASE
from tests.crash.jobs import COUNT, Scene, failed_slowly, finished_slowly, import_rows
from tests.workers import WorkerProcess, Workers, wait_until

ALL = list(range(COUNT))
QuickWorker = Callable[..., WorkerProcess]
OURS = ["rq_steps.Worker", "rq_steps.SimpleWorker"]
STOCK = ["rq.Worker", "rq.SimpleWorker"]


def wait_for_others_to_look(connection: Redis) -> None:
    began = connection.time()[0]
    wait_until(lambda: connection.time()[0] > began + 2 * LEASE, "time stands still")


@pytest.mark.parametrize("worker_class", [*OURS, *STOCK])
@pytest.mark.parametrize(("happening", "end"), [("nothing", "finished"), ("give_up", "failed")])
def test_a_job_is_not_lost_while_its_callback_runs(
    quick_worker: QuickWorker,
    queue: Queue,
    connection: Redis,
    scene: Scene,
    worker_class: str,
    happening: str,
    end: str,
) -> None:
    job = queue.enqueue(
        import_rows,
        str(scene.folder),
        happening,
        on_success=Callback(finished_slowly),
        on_failure=Callback(failed_slowly),
    )
    quick_worker(worker_class=worker_class)
    wait_until(lambda: scene.is_held, "nobody is called back")
    quick_worker().wait_until_listening()
    wait_for_others_to_look(connection)
    scene.release()
    wait_until(lambda: job.get_status() == end, f"the job has not {end}")
    assert len(scene.told) == 1
    assert len(scene.executions) == 1


def test_nor_while_the_callback_runs_that_its_worker_has_not_lived_to_see(
    quick_worker: QuickWorker, queue: Queue, connection: Redis, scene: Scene
) -> None:
    job = queue.enqueue(import_rows, str(scene.folder), on_success=Callback(finished_slowly))
    dying = quick_worker()
    wait_until(lambda: scene.is_held, "nobody is called back")
    dying.kill()
    quick_worker().wait_until_listening()
    wait_for_others_to_look(connection)
    scene.release()
    wait_until(lambda: job.get_status() == "finished", "the job has not finished")
    assert len(scene.told) == 1


@pytest.mark.parametrize("worker_class", [*OURS, *STOCK])
def test_a_job_that_is_over_has_no_lease(
    worker: Workers, queue: Queue, connection: Redis, scene: Scene, worker_class: str
) -> None:
    job = queue.enqueue(import_rows, str(scene.folder))
    worker(worker_class=worker_class, burst=True).wait()
    assert job.get_status() == "finished"
    assert connection.zcard(lease_key(queue.name, connection)) == 0

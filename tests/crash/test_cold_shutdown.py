"""A second request to shut down, and no time for the item in hand: the job is put back."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from rq import Queue

from tests.crash.jobs import COUNT, STOP, Scene, import_rows, import_rows_unsaved
from tests.crash.scene import shut_down_cold
from tests.redis.scene import head
from tests.workers import Workers

ALL = list(range(COUNT))
RQ_3 = int(version("rq").split(".")[0]) >= 3
FORKING = ["rq_steps.Worker", *(["rq_steps.SpawnWorker"] if RQ_3 else [])]
SIMPLE = "rq_steps.SimpleWorker"


@pytest.mark.parametrize("worker_class", [*FORKING, SIMPLE])
def test_a_cold_shutdown_puts_the_job_back(
    worker: Workers, queue: Queue, scene: Scene, worker_class: str
) -> None:
    job = queue.enqueue(import_rows, str(scene.folder), "hold")
    shut_down_cold(worker(worker_class=worker_class), scene)
    assert job.get_status() == "queued"
    assert queue.job_ids == [job.id]
    assert job.get_executions() == []
    worker(burst=True).wait()
    assert job.get_status() == "finished"
    assert scene.visits == [*ALL[: STOP + 1], *ALL[STOP:]]


@pytest.mark.parametrize(("worker_class", "repeated"), [(FORKING[0], ALL), (SIMPLE, ALL[STOP:])])
def test_a_cold_shutdown_costs_what_was_not_saved(
    worker: Workers, queue: Queue, scene: Scene, worker_class: str, repeated: list[int]
) -> None:
    """Where there is no work-horse to kill, the item is cut off, and the progress saved."""
    job = queue.enqueue(import_rows_unsaved, str(scene.folder), "hold")
    shut_down_cold(worker(worker_class=worker_class), scene)
    worker(burst=True).wait()
    assert job.get_status() == "finished"
    assert scene.visits == [*ALL[: STOP + 1], *repeated]


@pytest.mark.parametrize("worker_class", [FORKING[0], SIMPLE])
def test_a_cold_shutdown_counts_as_a_resumption_and_not_as_a_death(
    worker: Workers, queue: Queue, scene: Scene, worker_class: str
) -> None:
    job = queue.enqueue(import_rows, str(scene.folder), "hold")
    shut_down_cold(worker(worker_class=worker_class), scene)
    assert head(job)["deaths"] == 0
    assert head(job)["resumptions"] == 1


def test_a_cold_shutdown_while_a_job_is_imported_puts_it_back(
    worker: Workers, queue: Queue, scene: Scene
) -> None:
    job = queue.enqueue("tests.crash.heavy.import_rows", str(scene.folder))
    folder = {"FOLDER": str(scene.folder)}
    shut_down_cold(worker(worker_class=SIMPLE, env=folder), scene)
    assert queue.job_ids == [job.id]
    assert scene.visits == []
    worker(burst=True, env=folder).wait()
    assert job.get_status() == "finished"
    assert scene.visits == ALL

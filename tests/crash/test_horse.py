"""A work-horse dies: its worker puts the job back at once."""

from __future__ import annotations

import pytest
from redis import Redis
from rq import Callback, Queue, Retry
from rq.job import Job

from rq_steps.lease import lease_key
from tests.crash.jobs import COUNT, STOP, Scene, import_rows, import_rows_unsaved, plain, tell
from tests.redis.scene import another_copy, fields, head
from tests.workers import Workers, wait_until

DEATHS = ["die_once", "crash_once", "exit_once", "exit_badly_once"]
ALL = list(range(COUNT))


def work_until_finished(worker: Workers, job: Job) -> None:
    """No lease runs out meanwhile: what its worker does not see, nobody does."""
    running = worker(env={"RQ_STEPS_LEASE": "3600"})
    wait_until(lambda: job.get_status() == "finished", "the job was not done")
    running.terminate()
    running.wait()


@pytest.mark.parametrize("death", DEATHS)
def test_a_job_whose_horse_died_goes_on_where_it_was_last_saved(
    worker: Workers, queue: Queue, scene: Scene, death: str
) -> None:
    job = queue.enqueue(import_rows, str(scene.folder), death)
    work_until_finished(worker, job)
    assert scene.visits == [*ALL[: STOP + 1], *ALL[STOP:]]


def test_on_rqs_own_worker_too_which_writes_the_job_back_as_it_was_when_it_was_taken(
    worker: Workers, queue: Queue, scene: Scene
) -> None:
    """All of it, with its meta: what stood there alone would be lost with every death."""
    job = queue.enqueue(
        import_rows, str(scene.folder), "die_once", retry=Retry(max=1), meta={"note": "theirs"}
    )
    worker(worker_class="rq.Worker", burst=True).wait()
    assert job.get_status() == "finished"
    assert scene.visits == [*ALL[: STOP + 1], *ALL[STOP:]]


def test_what_was_not_saved_before_the_horse_died_is_done_again(
    worker: Workers, queue: Queue, scene: Scene
) -> None:
    job = queue.enqueue(import_rows_unsaved, str(scene.folder), "die_once")
    work_until_finished(worker, job)
    assert scene.visits == [*ALL[: STOP + 1], *ALL]


def test_a_dead_horse_is_no_failure(worker: Workers, queue: Queue, scene: Scene) -> None:
    """RQ's Retry is not used up, its callback not called, nothing recorded as a failure."""
    job = queue.enqueue(
        import_rows, str(scene.folder), "die_once", retry=Retry(max=2), on_failure=Callback(tell)
    )
    work_until_finished(worker, job)
    after = another_copy(job)
    assert (after.retries_left, after.number_of_retries) == (2, None)
    assert scene.told == []
    assert [result.type.name for result in job.results()] == ["SUCCESSFUL"]
    assert queue.failed_job_registry.count == 0


def test_a_job_whose_horse_died_goes_to_the_front_of_its_queue(
    worker: Workers, queue: Queue, scene: Scene
) -> None:
    first = queue.enqueue(import_rows, str(scene.folder), "die_once")
    second = queue.enqueue(plain, str(scene.folder))
    worker(burst=True).wait()
    assert scene.visits == [*ALL[: STOP + 1], *ALL[STOP:], *ALL]
    assert (first.get_status(), second.get_status()) == ("finished", "finished")


def test_nothing_is_left_of_the_execution_whose_horse_died(
    worker: Workers, queue: Queue, connection: Redis, scene: Scene
) -> None:
    job = queue.enqueue(import_rows, str(scene.folder), "die_once")
    work_until_finished(worker, job)
    assert job.get_executions() == []
    assert queue.started_job_registry.get_job_ids(cleanup=False) == []
    assert connection.zcard(lease_key(queue.name, connection)) == 0
    assert list(connection.scan_iter("*execution*")) == []


def test_a_death_counts_as_a_resumption(worker: Workers, queue: Queue, scene: Scene) -> None:
    job = queue.enqueue(import_rows, str(scene.folder), "die_once")
    work_until_finished(worker, job)
    assert head(job)["resumptions"] == 1
    assert head(job)["executions"] == 2


def test_a_plain_job_whose_horse_died_is_treated_as_rq_does(
    worker: Workers, queue: Queue, scene: Scene
) -> None:
    job = queue.enqueue(plain, str(scene.folder), "die")
    worker(burst=True).wait()
    assert job.get_status() == "failed"
    assert scene.visits == ALL[: STOP + 1]
    assert fields(job) == {}


def test_a_plain_job_whose_horse_died_is_retried_as_rq_does(
    worker: Workers, queue: Queue, scene: Scene
) -> None:
    job = queue.enqueue(plain, str(scene.folder), "die_once", retry=Retry(max=2))
    worker(burst=True).wait()
    assert job.get_status() == "finished"
    assert another_copy(job).retries_left == 1

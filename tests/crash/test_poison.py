"""A job that dies again and again at one place takes one worker after the other along: it fails."""

from __future__ import annotations

from typing import Any

from redis import Redis
from rq import Callback, Queue, Retry
from rq.job import Dependency, Job, JobStatus

from rq_steps import Step, continuable, step
from rq_steps.head import after_death
from rq_steps.record import Record, Run
from rq_steps.recovery import recover
from tests.crash.jobs import (
    COUNT,
    STOP,
    Scene,
    die_before_the_first_step,
    import_one_row_each_time,
    import_rows,
    tell,
)
from tests.crash.scene import job_without_worker
from tests.jobs.plain import double
from tests.redis.scene import cursor, failure, head, once_at, stop, visit, work
from tests.workers import Workers

ALL = list(range(COUNT))


def fail_by_dying(worker: Workers, queue: Queue, scene: Scene, **options: Any) -> Job:
    job = queue.enqueue(import_rows, str(scene.folder), "die", **options)
    worker(burst=True).wait()
    assert job.get_status() == "failed"
    return job


def test_a_job_that_dies_three_times_at_one_place_fails(
    worker: Workers, queue: Queue, scene: Scene
) -> None:
    job = fail_by_dying(worker, queue, scene)
    assert scene.visits == [*ALL[: STOP + 1], STOP, STOP]
    assert failure(job) == (
        "the job died 3 times in a row at 'rows', cursor 5: rq requeue gives it another round"
    )
    assert job.id in queue.failed_job_registry


def test_its_retries_are_left_and_not_used(worker: Workers, queue: Queue, scene: Scene) -> None:
    job = fail_by_dying(worker, queue, scene, retry=Retry(max=2))
    job.refresh()
    assert job.retries_left == 2


def test_its_record_is_kept_and_a_requeue_gives_it_another_round(
    worker: Workers, queue: Queue, scene: Scene
) -> None:
    job = fail_by_dying(worker, queue, scene)
    assert cursor(job) == STOP
    queue.failed_job_registry.requeue(job)
    worker(burst=True).wait()
    assert job.get_status() == "failed"
    assert scene.visits == [*ALL[: STOP + 1], *[STOP] * 5]


def test_its_failure_callback_is_told(worker: Workers, queue: Queue, scene: Scene) -> None:
    job = fail_by_dying(worker, queue, scene, on_failure=Callback(tell))
    assert scene.told == [f"AbandonedJobError: {failure(job)}"]


def fail_in_the_callback(*args: Any) -> None:
    raise OSError("no mail server")


def test_its_dependents_are_told_also_where_its_failure_callback_raises(queue: Queue) -> None:
    job = job_without_worker(queue, max_resumptions=0, on_failure=Callback(fail_in_the_callback))
    dependent = queue.enqueue(double, 21, depends_on=Dependency(job, allow_failure=True))
    recover(queue, job.id)
    assert job.get_status() == "failed"
    assert dependent.get_status() == "queued"


def test_its_dependents_are_told(worker: Workers, queue: Queue, scene: Scene) -> None:
    job = queue.enqueue(import_rows, str(scene.folder), "die")
    dependent = queue.enqueue(double, 21, depends_on=Dependency(job, allow_failure=True))
    worker(burst=True).wait()
    assert dependent.get_status() == "finished"


def test_deaths_are_counted_anew_wherever_progress_was_made(
    worker: Workers, queue: Queue, scene: Scene
) -> None:
    job = queue.enqueue(import_one_row_each_time, str(scene.folder))
    worker(burst=True).wait()
    assert job.get_status() == "finished"
    assert head(job)["resumptions"] == COUNT
    assert scene.visits == sorted([*ALL, *ALL])


def test_a_job_that_dies_before_its_first_step_fails_too(
    worker: Workers, queue: Queue, scene: Scene
) -> None:
    job = queue.enqueue(die_before_the_first_step, str(scene.folder))
    worker(burst=True).wait()
    assert failure(job) == (
        "the job died 3 times in a row before its first step: rq requeue gives it another round"
    )
    assert scene.visits == [0, 0, 0]


@step
def stand_still(step: Step) -> None:
    visit("here")
    step.checkpoint()


@continuable
def never_advance() -> None:
    stand_still()


def test_warm_stops_at_one_place_are_no_deaths(connection: Redis, queue: Queue) -> None:
    """As many deploys as one likes."""
    job = queue.enqueue(never_advance)
    for _ in range(10):
        once_at("here", stop)
        work(connection)
        assert job.get_status() == "queued"
    assert head(job)["deaths"] == 0


def test_a_warm_stop_between_two_deaths_is_no_progress() -> None:
    run = Run("2026-01-01", None)
    first = after_death(Record(run).head(), run)
    stopped = Record.load(first.head, [])
    stopped.executions += 1
    assert after_death(stopped.head(), run).deaths == 2


def test_a_death_beyond_max_resumptions_fails_the_job(queue: Queue) -> None:
    """Who finds it cannot ask the code for the option: it is in the record."""
    job = job_without_worker(queue, max_resumptions=1)
    recover(queue, job.id)
    assert job.get_status() == "queued"
    job.set_status(JobStatus.STARTED)
    recover(queue, job.id)
    assert failure(job) == (
        "the job died before its first step, and was resumed as often as max_resumptions allows: "
        "rq requeue gives it another round"
    )
    assert head(job)["resumptions"] == 0


def test_the_deaths_of_an_earlier_run_do_not_count(queue: Queue) -> None:
    job = job_without_worker(queue)
    for _ in range(2):
        recover(queue, job.id)
        job.set_status(JobStatus.STARTED)
    job.connection.hset(job.key, "created_at", "2026-01-01T00:00:00.000000Z")
    recover(queue, job.id)
    assert job.get_status() == "queued"
    assert head(job)["deaths"] == 1

"""A job is taken from its queue, and its worker dies or leaves before it has begun it."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from redis import Redis
from rq import Queue
from rq.executions import Execution
from rq.job import Job, JobStatus

from rq_steps.books import is_open
from rq_steps.lease import seen_key, vouch_for
from rq_steps.unbegun import put_back_unbegun, rescue_unbegun
from tests.crash.conftest import LEASE
from tests.crash.jobs import COUNT, Scene, import_rows, plain
from tests.crash.scene import pass_time_unbegun
from tests.redis.scene import Worker
from tests.workers import WorkerProcess, Workers, wait_until

ALL = list(range(COUNT))
QuickWorker = Callable[..., WorkerProcess]
BETWEEN = "tests.crash.workers."


def wait_for_end(job: Job) -> None:
    wait_until(lambda: job.get_status() == "finished", "the job was not done")


@pytest.mark.parametrize("function", [import_rows, plain])
@pytest.mark.parametrize("moment", ["KilledWithAJob", "KilledWithAnExecution", "KilledWithAHorse"])
def test_a_job_of_a_worker_that_was_killed_before_it_began_is_put_back_ours_or_not(
    quick_worker: QuickWorker,
    queue: Queue,
    scene: Scene,
    function: Callable[..., int],
    moment: str,
) -> None:
    job = queue.enqueue(function, str(scene.folder))
    dying = quick_worker(worker_class=BETWEEN + moment)
    assert dying.wait() == -signal.SIGKILL
    wait_until(lambda: not dying.processes, "the horse lives on")
    assert job.get_status() == "queued"
    assert queue.is_empty()
    quick_worker()
    wait_for_end(job)
    assert scene.visits == ALL
    assert queue.intermediate_queue.get_job_ids() == []


@pytest.mark.parametrize("moment", ["KilledWithAnExecution", "KilledWithAHorse"])
def test_with_several_queues_it_is_known_by_its_execution(
    quick_worker: QuickWorker, queue: Queue, scene: Scene, moment: str
) -> None:
    job = queue.enqueue(import_rows, str(scene.folder))
    quick_worker("default", "other", worker_class=BETWEEN + moment).wait()
    quick_worker("default", "other")
    wait_for_end(job)
    assert scene.visits == ALL


def test_a_horse_that_dies_before_it_begins_is_replaced(
    worker: Workers, queue: Queue, scene: Scene
) -> None:
    job = queue.enqueue(import_rows, str(scene.folder))
    worker(
        worker_class=BETWEEN + "HorseDiesOnce", env={"FOLDER": str(scene.folder)}, burst=True
    ).wait()
    assert job.get_status() == "finished"
    assert scene.visits == ALL


def test_where_no_horse_ever_begins_the_job_fails(
    worker: Workers, queue: Queue, scene: Scene
) -> None:
    job = queue.enqueue(import_rows, str(scene.folder))
    worker(worker_class=BETWEEN + "HorseDies", burst=True).wait()
    assert job.get_status() == "failed"
    assert queue.is_empty()


@pytest.mark.parametrize("queues", [["default"], ["default", "other"]])
def test_a_job_that_comes_with_sigterm_is_not_lost(
    worker: Workers, queue: Queue, scene: Scene, queues: list[str]
) -> None:
    """It is taken, and not yet begun."""
    job = queue.enqueue(import_rows, str(scene.folder))
    told = worker(*queues, worker_class=BETWEEN + "ToldWithAJob")
    assert told.wait() == 0
    assert job.get_status() == "queued"
    assert queue.job_ids == [job.id]
    assert queue.intermediate_queue.get_job_ids() == []
    assert scene.visits == []


@pytest.mark.parametrize("queues", [["default"], ["default", "other"]])
def test_sigterm_between_two_waits_or_in_one_ends_an_idle_worker(
    worker: Workers, queues: list[str]
) -> None:
    idle = worker(*queues)
    idle.wait_until_listening()
    idle.terminate()
    assert idle.wait() == 0


def test_jobs_that_come_while_workers_are_told_to_leave_are_all_done(
    worker: Workers, queue: Queue, scene: Scene
) -> None:
    """One worker after the other is told to leave while jobs pour in."""
    jobs = []
    for _ in range(5):
        leaving = worker("default", "other")
        leaving.wait_until_listening()
        jobs += [queue.enqueue(plain, str(scene.folder)) for _ in range(3)]
        leaving.terminate()
        jobs += [queue.enqueue(plain, str(scene.folder)) for _ in range(3)]
        leaving.wait()
    worker("default", "other", burst=True).wait()
    assert [job.get_status() for job in jobs] == ["finished"] * len(jobs)
    assert scene.visits == ALL * len(jobs)


@pytest.mark.parametrize("function", ["plain", "import_rows"])
def test_a_job_that_takes_long_to_be_imported_is_not_given_to_another_worker(
    quick_worker: QuickWorker,
    queue: Queue,
    connection: Redis,
    scene: Scene,
    function: str,
) -> None:
    """Its worker vouches for it while nothing else is heard of it."""
    job = queue.enqueue(f"tests.crash.heavy.{function}", str(scene.folder))
    for _ in range(2):
        quick_worker(env={"FOLDER": str(scene.folder)})
    wait_until(lambda: scene.is_held, "the job is not imported")
    key = seen_key(queue.intermediate_queue)
    wait_until(lambda: connection.hexists(key, job.id), "nobody looks for it")
    seen_at = connection.time()[0]
    wait_until(lambda: connection.time()[0] > seen_at + 2 * LEASE, "time stands still")
    assert job.get_status() == "queued"
    assert queue.is_empty()
    scene.release()
    wait_for_end(job)
    assert scene.visits == ALL
    assert len(scene.executions) == 1


def taken(queue: Queue) -> Job:
    """A job that somebody has taken from its queue."""
    job = queue.enqueue(import_rows, "nowhere")
    queue.connection.lmove(queue.key, queue.intermediate_queue_key)
    return job


def test_a_job_is_given_time_to_begin(queue: Queue) -> None:
    taken(queue)
    assert rescue_unbegun([queue]) == 0
    assert rescue_unbegun([queue]) == 0
    pass_time_unbegun(queue)
    assert rescue_unbegun([queue]) == 1


def test_a_job_that_its_worker_vouches_for_is_given_time_anew(queue: Queue) -> None:
    job = taken(queue)
    worker = Worker([queue], connection=queue.connection)
    execution = worker.prepare_execution(job)
    rescue_unbegun([queue])
    pass_time_unbegun(queue)
    vouch_for(job, queue, execution, worker.name)
    assert rescue_unbegun([queue]) == 0


def test_nobody_vouches_for_a_job_that_others_have_put_back(queue: Queue) -> None:
    job = taken(queue)
    worker = Worker([queue], connection=queue.connection)
    execution = worker.prepare_execution(job)
    rescue_unbegun([queue])
    pass_time_unbegun(queue)
    rescue_unbegun([queue])
    queue.connection.lmove(queue.key, queue.intermediate_queue_key)
    rescue_unbegun([queue])
    pass_time_unbegun(queue)
    vouch_for(job, queue, execution, worker.name)
    assert rescue_unbegun([queue]) == 1


def test_each_job_is_put_back_once(queue: Queue) -> None:
    job = taken(queue)
    rescue_unbegun([queue])
    pass_time_unbegun(queue)
    assert rescue_unbegun([queue]) == 1
    assert rescue_unbegun([queue]) == 0
    assert queue.job_ids == [job.id]


def test_a_job_that_was_begun_and_taken_again_is_given_time_anew(queue: Queue) -> None:
    job = taken(queue)
    rescue_unbegun([queue])
    pass_time_unbegun(queue)
    queue.intermediate_queue.remove(job.id)
    queue.enqueue_job(job)
    queue.connection.lmove(queue.key, queue.intermediate_queue_key)
    assert rescue_unbegun([queue]) == 0


def test_a_job_that_runs_or_waits_in_its_queue_is_left_alone(queue: Queue) -> None:
    begun, waiting = taken(queue), taken(queue)
    begun.set_status(JobStatus.STARTED)
    queue.push_job_id(waiting.id)
    rescue_unbegun([queue])
    pass_time_unbegun(queue)
    assert rescue_unbegun([queue]) == 0
    assert queue.job_ids == [waiting.id]


@pytest.mark.parametrize("status", [JobStatus.FINISHED, JobStatus.CANCELED, JobStatus.SCHEDULED])
def test_what_a_dead_worker_held_of_a_job_that_others_have_dealt_with_is_cleared_away(
    queue: Queue, connection: Redis, status: JobStatus
) -> None:
    """The job was canceled and enqueued again while it was held. RQ's cleanup has seen it there."""
    job = taken(queue)
    job.set_status(status)
    queue.intermediate_queue.set_first_seen(job.id)
    rescue_unbegun([queue])
    assert queue.intermediate_queue.get_job_ids() == [job.id]
    pass_time_unbegun(queue)
    assert rescue_unbegun([queue]) == 0
    rescue_unbegun([queue])
    assert list(connection.scan_iter("*:intermediate*")) == []
    assert queue.is_empty()
    assert job.get_status() == status


def taken_with_an_execution(queue: Queue) -> tuple[Job, Worker, Execution]:
    """By a worker on several queues, as far as can be seen."""
    job = taken(queue)
    queue.intermediate_queue.remove(job.id)
    worker = Worker([queue], connection=queue.connection)
    return job, worker, worker.prepare_execution(job)


@pytest.mark.parametrize("status", [JobStatus.FINISHED, JobStatus.CANCELED, JobStatus.SCHEDULED])
def test_so_is_what_a_dead_worker_has_noted_in_rqs_books(
    queue: Queue, connection: Redis, status: JobStatus
) -> None:
    """It was killed before it saw that others had dealt with the job. Such a job is shown as one
    that runs, until its execution expires; before RQ 3 it is then called failed."""
    job, _, execution = taken_with_an_execution(queue)
    job.set_status(status)
    rescue_unbegun([queue])
    assert is_open(execution, job)
    pass_time_unbegun(queue)
    assert rescue_unbegun([queue]) == 0
    assert queue.started_job_registry.get_job_ids(cleanup=False) == []
    assert list(connection.scan_iter("rq:execution*")) == []
    assert queue.is_empty()
    assert job.get_status() == status


def test_and_of_a_job_that_was_canceled_before_it_was_begun(
    queue: Queue, connection: Redis
) -> None:
    """RQ looks for no execution of a job that is queued."""
    job, _, _ = taken_with_an_execution(queue)
    job.cancel()
    rescue_unbegun([queue])
    pass_time_unbegun(queue)
    rescue_unbegun([queue])
    assert queue.started_job_registry.get_job_ids(cleanup=False) == []
    assert list(connection.scan_iter("rq:execution*")) == []


def test_what_a_living_worker_has_noted_of_such_a_job_is_its_own_to_take_back(
    queue: Queue,
) -> None:
    job, worker, execution = taken_with_an_execution(queue)
    job.cancel()
    rescue_unbegun([queue])
    pass_time_unbegun(queue)
    vouch_for(job, queue, execution, worker.name)
    rescue_unbegun([queue])
    assert is_open(execution, job)


def test_what_is_noted_of_a_job_that_runs_stays_however_long_it_runs(queue: Queue) -> None:
    job, worker, execution = taken_with_an_execution(queue)
    worker.prepare_job_execution(job)
    rescue_unbegun([queue])
    pass_time_unbegun(queue)
    rescue_unbegun([queue])
    assert is_open(execution, job)


def test_a_rescued_job_leaves_nothing_behind(queue: Queue, connection: Redis) -> None:
    job = taken(queue)
    Worker([queue], connection=connection).prepare_execution(job)
    rescue_unbegun([queue])
    pass_time_unbegun(queue)
    assert rescue_unbegun([queue]) == 1
    assert queue.started_job_registry.get_job_ids(cleanup=False) == []
    assert job.get_executions() == []
    assert list(connection.scan_iter("*:intermediate*")) == []
    assert list(connection.scan_iter("rq:execution*")) == []


def test_what_rq_saw_in_the_intermediate_queue_an_hour_ago_does_not_fail_a_job(
    queue: Queue, connection: Redis
) -> None:
    """RQ's mark of it lives for a day, and its cleanup takes the job of now for the one of then."""
    job = taken(queue)
    connection.set(queue.intermediate_queue.get_first_seen_key(job.id), 1)
    Worker([queue], connection=connection).clean_registries()
    assert job.get_status() == "queued"
    assert queue.intermediate_queue.get_job_ids() == [job.id]


def test_a_canceled_job_is_not_put_back(queue: Queue) -> None:
    job = taken(queue)
    job.cancel()
    put_back_unbegun(queue, job, "somebody")
    assert queue.is_empty()


def test_a_worker_that_was_frozen_does_not_put_back_what_others_have_put_back(
    queue: Queue,
) -> None:
    job = taken(queue)
    rescue_unbegun([queue])
    pass_time_unbegun(queue)
    rescue_unbegun([queue])
    put_back_unbegun(queue, job, "somebody")
    assert queue.job_ids == [job.id]

"""A worker begins only what is still its own to begin.

Frozen or waiting for Redis, with a job in hand, it may have been given up, and the job be another
one's by now.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis
from rq import Queue, Repeat
from rq.executions import Execution
from rq.job import Job, JobStatus

import rq_steps
from rq_steps import continuable, step, unbegun
from rq_steps.books import open_executions
from rq_steps.lease import has_lease, take_lease
from rq_steps.recovery import recover_lost
from rq_steps.unbegun import put_back_unbegun, rescue_unbegun
from tests.crash.scene import (
    Arrange,
    before_it_reads_executions,
    begin_elsewhere,
    lost_job,
    pass_time_unbegun,
    take,
)
from tests.redis.scene import (
    TakesNoCommands,
    Worker,
    completed,
    fail_at,
    fields,
    happen,
    import_rows,
    once_at,
    stop,
    visit,
    visits,
    work,
)

COUNT = 3
ALL = [*range(COUNT), "report"]
WITH_AN_EXECUTION = "with an execution"
BEFORE_IT_IS_STARTED = "before it is started"

ONE, SEVERAL = ["default"], ["default", "other"]
each_number_of_queues = pytest.mark.parametrize("names", [ONE, SEVERAL])


class Late(Worker):
    """Something may happen when RQ has noted its execution, and when it is about to begin."""

    def prepare_execution(self, job: Job) -> Execution:
        execution = super().prepare_execution(job)
        happen(WITH_AN_EXECUTION)
        return execution

    def prepare_job_execution(self, *args: Any, **kwargs: Any) -> None:
        happen(BEFORE_IT_IS_STARTED)
        super().prepare_job_execution(*args, **kwargs)


@pytest.fixture
def job(queue: Queue) -> Job:
    return queue.enqueue(import_rows, COUNT)


def late_worker(connection: Redis, names: list[str]) -> Late:
    return Late(names, connection=connection)


@step
def visiting(place: str) -> None:
    visit(place)


@continuable
def visit_in_a_step(place: str) -> None:
    visiting(place)


def see_long_ago(queue: Queue) -> None:
    """Others have waited for long for what has been taken from the queue to begin."""
    rescue_unbegun([queue])
    pass_time_unbegun(queue)


def put_back(queue: Queue) -> None:
    """And have put it back."""
    see_long_ago(queue)
    assert rescue_unbegun([queue]) == 1


def work_elsewhere(queue: Queue) -> None:
    """Another worker does all that is to be done."""
    work(queue.connection, queue.name)


def hash_of(job: Job) -> Any:
    return job.connection.hgetall(job.key)


def assert_nothing_is_left_of_an_execution(queue: Queue) -> None:
    assert queue.started_job_registry.get_job_ids(cleanup=False) == []
    assert list(queue.connection.scan_iter("*execution*")) == []


# What is no longer its own


@each_number_of_queues
def test_a_worker_whose_execution_was_closed_by_others_does_not_begin(
    connection: Redis, queue: Queue, job: Job, names: list[str]
) -> None:
    late = late_worker(connection, names)
    once_at(WITH_AN_EXECUTION, lambda: put_back(queue))
    late.execute_job(*take(late))
    assert visits == []
    assert job.get_status() == "queued"
    assert fields(job) == {}
    assert queue.job_ids == [job.id]
    assert_nothing_is_left_of_an_execution(queue)


@each_number_of_queues
def test_nor_does_it_begin_a_plain_job_that_others_have_put_back(
    connection: Redis, queue: Queue, names: list[str]
) -> None:
    job = queue.enqueue(visit, "plain")
    late = late_worker(connection, names)
    once_at(WITH_AN_EXECUTION, lambda: put_back(queue))
    late.execute_job(*take(late))
    assert visits == []
    assert queue.job_ids == [job.id]
    work_elsewhere(queue)
    assert visits == ["plain"]
    assert job.get_status() == "finished"
    assert_nothing_is_left_of_an_execution(queue)


@pytest.mark.parametrize("function", [visit, visit_in_a_step])
@each_number_of_queues
def test_what_is_about_to_begin_after_a_long_import_is_not_put_back_by_others(
    connection: Redis, queue: Queue, names: list[str], function: Callable[..., None]
) -> None:
    """Nor by itself: a worker without a work-horse looks around just before it begins."""
    queue.enqueue(function, "done")
    late = late_worker(connection, names)
    once_at(WITH_AN_EXECUTION, lambda: see_long_ago(queue))
    once_at(BEFORE_IT_IS_STARTED, lambda: rescue_unbegun([queue]))
    late.execute_job(*take(late))
    assert queue.job_ids == []
    assert visits == ["done"]


@each_number_of_queues
def test_it_leaves_the_job_alone_that_another_runs(
    connection: Redis, queue: Queue, job: Job, names: list[str]
) -> None:
    late, found = late_worker(connection, names), []

    def lose() -> None:
        put_back(queue)
        begin_elsewhere(queue)
        found.append((hash_of(job), open_executions(job)))

    once_at(WITH_AN_EXECUTION, lose)
    late.execute_job(*take(late))
    assert visits == []
    assert (hash_of(job), open_executions(job)) == found[0]
    assert has_lease(job)


@each_number_of_queues
def test_it_leaves_the_lease_alone_of_another_that_is_about_to_begin(
    connection: Redis, queue: Queue, job: Job, names: list[str]
) -> None:
    late = late_worker(connection, names)

    def lose() -> None:
        put_back(queue)
        other = Worker([queue], connection=connection)
        execution = other.prepare_execution(take(other)[0])
        assert take_lease(job, queue, execution, through_intermediate=True)

    once_at(WITH_AN_EXECUTION, lose)
    late.execute_job(*take(late))
    assert visits == []
    assert has_lease(job)
    assert len(open_executions(job)) == 1


@each_number_of_queues
def test_it_leaves_the_job_alone_that_another_has_finished(
    connection: Redis, queue: Queue, job: Job, names: list[str]
) -> None:
    late, found = late_worker(connection, names), []

    def lose() -> None:
        put_back(queue)
        work_elsewhere(queue)
        found.append(hash_of(job))

    once_at(WITH_AN_EXECUTION, lose)
    late.execute_job(*take(late))
    assert visits == ALL
    assert hash_of(job) == found[0]
    assert [result.type.name for result in job.results()] == ["SUCCESSFUL"]
    assert_nothing_is_left_of_an_execution(queue)


@each_number_of_queues
def test_it_leaves_the_progress_alone_that_another_has_made_and_put_back(
    connection: Redis, queue: Queue, job: Job, names: list[str]
) -> None:
    late, found = late_worker(connection, names), []

    def lose() -> None:
        put_back(queue)
        once_at(1, stop)
        work_elsewhere(queue)
        found.append(hash_of(job))

    once_at(WITH_AN_EXECUTION, lose)
    late.execute_job(*take(late))
    assert hash_of(job) == found[0]
    assert queue.job_ids == [job.id]
    work(connection)
    assert visits == ALL


@each_number_of_queues
def test_a_job_that_was_canceled_before_there_was_an_execution_does_not_begin(
    connection: Redis, queue: Queue, job: Job, names: list[str]
) -> None:
    """RQ's books have the execution open: it was made after the cancel."""
    late = late_worker(connection, names)
    taken = take(late)
    job.cancel()
    late.execute_job(*taken)
    assert visits == []
    assert job.get_status() == "canceled"
    assert queue.canceled_job_registry.get_job_ids() == [job.id]
    assert fields(job) == {}
    assert_nothing_is_left_of_an_execution(queue)


@each_number_of_queues
def test_a_job_that_was_canceled_when_there_was_an_execution_does_not_begin(
    connection: Redis, queue: Queue, job: Job, names: list[str]
) -> None:
    late = late_worker(connection, names)
    once_at(WITH_AN_EXECUTION, job.cancel)
    late.execute_job(*take(late))
    assert visits == []
    assert job.get_status() == "canceled"
    assert queue.canceled_job_registry.get_job_ids() == [job.id]
    assert_nothing_is_left_of_an_execution(queue)


@each_number_of_queues
def test_a_job_that_stands_in_its_queue_twice_is_done_once(
    connection: Redis, queue: Queue, job: Job, names: list[str]
) -> None:
    queue.push_job_id(job.id)
    work(connection, *names)
    assert queue.is_empty()
    assert visits == ALL
    assert job.get_status() == "finished"
    assert [result.type.name for result in job.results()] == ["SUCCESSFUL"]
    assert [each["name"] for each in completed(job)] == ["rows", "report"]
    assert_nothing_is_left_of_an_execution(queue)


def test_what_somebody_has_taken_out_of_the_intermediate_queue_does_not_begin(
    connection: Redis, queue: Queue, job: Job
) -> None:
    """The execution that RQ's books have open is of later."""
    late = late_worker(connection, ONE)
    taken = take(late)
    put_back(queue)
    late.execute_job(*taken)
    assert visits == []
    assert job.get_status() == "queued"
    assert queue.job_ids == [job.id]
    assert_nothing_is_left_of_an_execution(queue)


def test_it_leaves_the_job_alone_that_another_began_before_there_was_an_execution(
    connection: Redis, queue: Queue, job: Job
) -> None:
    late = late_worker(connection, ONE)
    taken = take(late)
    put_back(queue)
    begin_elsewhere(queue)
    found = hash_of(job), open_executions(job)
    late.execute_job(*taken)
    assert visits == []
    assert (hash_of(job), open_executions(job)) == found
    assert has_lease(job)


def find_its_horse_dead(worker: Worker, job: Job, queue: Queue) -> None:
    worker.handle_work_horse_killed(job, 0, 9, None)
    worker.handle_job_failure(job, queue, exc_string="Work-horse terminated")


def test_it_leaves_the_job_alone_that_another_runs_when_its_own_work_horse_is_found_dead(
    connection: Redis, queue: Queue, job: Job
) -> None:
    late = late_worker(connection, ONE)
    taken, _ = take(late)
    late.prepare_execution(taken)
    put_back(queue)
    begin_elsewhere(queue)
    found = hash_of(job), open_executions(job)
    find_its_horse_dead(late, taken, queue)
    assert (hash_of(job), open_executions(job)) == found
    assert has_lease(job)
    assert queue.is_empty()


@pytest.mark.parametrize("function", [import_rows, visit])
def test_a_job_that_others_have_put_back_does_not_fail_when_its_work_horse_is_found_dead(
    connection: Redis, queue: Queue, function: Callable[[int], object]
) -> None:
    job = queue.enqueue(function, COUNT)
    late = late_worker(connection, ONE)
    taken, _ = take(late)
    late.prepare_execution(taken)
    put_back(queue)
    found = hash_of(job)
    find_its_horse_dead(late, taken, queue)
    assert hash_of(job) == found
    assert queue.job_ids == [job.id]
    assert job.id not in queue.failed_job_registry


def test_nor_does_a_plain_job_that_another_has_begun(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(visit, "plain")
    late, other = late_worker(connection, ONE), Worker(ONE, connection=connection)
    taken, _ = take(late)
    late.prepare_execution(taken)
    put_back(queue)
    taken_there, _ = take(other)
    other.prepare_execution(taken_there)
    other.prepare_job_execution(taken_there)
    found = hash_of(job), open_executions(job)
    find_its_horse_dead(late, taken, queue)
    assert (hash_of(job), open_executions(job)) == found
    assert job.id not in queue.failed_job_registry


@pytest.mark.parametrize("function", [import_rows, visit])
@each_number_of_queues
def test_nor_does_one_that_was_canceled_before_it_was_begun(
    connection: Redis, queue: Queue, function: Callable[[int], object], names: list[str]
) -> None:
    job = queue.enqueue(function, COUNT)
    late = late_worker(connection, names)
    taken, _ = take(late)
    late.prepare_execution(taken)
    job.cancel()
    find_its_horse_dead(late, taken, queue)
    assert job.get_status() == "canceled"
    assert job.id not in queue.failed_job_registry
    assert_nothing_is_left_of_an_execution(queue)


class HorseDies(TakesNoCommands, rq_steps.Worker):
    """Its work-horses die before they ask whether the job is theirs to begin."""

    def perform_job(self, *args: Any) -> bool:
        os.kill(os.getpid(), signal.SIGKILL)
        return False


@pytest.mark.parametrize("function", [import_rows, visit])
def test_an_execution_whose_work_horse_died_is_closed_where_others_have_done_the_job(
    connection: Redis, queue: Queue, function: Callable[[int], object]
) -> None:
    """RQ takes it for done by the work-horse."""
    job = queue.enqueue(function, COUNT)
    dying = HorseDies(ONE, connection=connection)
    taken = dying.dequeue_job_and_maintain_ttl(None)
    assert taken is not None
    put_back(queue)
    work_elsewhere(queue)
    dying.execute_job(*taken)
    assert job.get_status() == "finished"
    assert_nothing_is_left_of_an_execution(queue)


def test_a_worker_goes_on_with_the_next_job_after_one_that_it_does_not_begin(
    connection: Redis, queue: Queue, job: Job
) -> None:
    next_job = queue.enqueue(import_rows, COUNT)
    once_at(WITH_AN_EXECUTION, job.cancel)
    late = late_worker(connection, ONE)
    late.execute_job(*take(late))
    assert late.execution is None
    late.execute_job(*take(late))
    assert next_job.get_status() == "finished"
    assert visits == ALL


# What is its own


@each_number_of_queues
def test_a_job_that_is_still_its_own_begins(connection: Redis, job: Job, names: list[str]) -> None:
    late = late_worker(connection, names)
    late.execute_job(*take(late))
    assert visits == ALL
    assert job.get_status() == "finished"


def test_a_job_can_be_found_if_it_is_lost_from_before_rq_calls_it_started(
    connection: Redis, job: Job
) -> None:
    found: list[object] = []
    once_at(BEFORE_IT_IS_STARTED, lambda: found.extend([job.get_status(), has_lease(job)]))
    late = late_worker(connection, ONE)
    late.execute_job(*take(late))
    assert found == ["queued", True]


@each_number_of_queues
def test_a_failed_job_that_was_requeued_begins(
    connection: Redis, job: Job, names: list[str]
) -> None:
    fail_at(0)
    work(connection, *names)
    assert job.get_status() == "failed"
    job.requeue()
    work(connection, *names)
    assert visits == [0, *ALL]
    assert job.get_status() == "finished"


@each_number_of_queues
def test_a_canceled_job_that_was_enqueued_again_begins(
    connection: Redis, queue: Queue, job: Job, names: list[str]
) -> None:
    job.cancel()
    queue.enqueue_job(job)
    work(connection, *names)
    assert visits == ALL
    assert job.get_status() == "finished"


@each_number_of_queues
def test_a_job_that_rq_repeats_begins_each_time(
    connection: Redis, queue: Queue, names: list[str]
) -> None:
    job = queue.enqueue(import_rows, COUNT, repeat=Repeat(times=2))
    work(connection, *names)
    assert visits == ALL * 3
    assert job.get_status() == "finished"


@each_number_of_queues
def test_a_job_that_was_enqueued_again_under_its_id_begins(
    connection: Redis, queue: Queue, job: Job, names: list[str]
) -> None:
    """It is in RQ's registry of finished jobs all the same."""
    work(connection, *names)
    queue.enqueue(import_rows, COUNT, job_id=job.id)
    assert job.id in queue.finished_job_registry
    work(connection, *names)
    assert visits == ALL * 2


@each_number_of_queues
def test_when_a_job_begins_what_is_left_of_its_dead_executions_is_closed(
    connection: Redis, queue: Queue, job: Job, names: list[str]
) -> None:
    """Its worker has died, and before anybody saw that it was canceled and enqueued again."""
    begin_elsewhere(queue)
    [dead] = open_executions(job)
    job.cancel()
    queue.enqueue_job(job)
    assert connection.exists(dead.key)
    work(connection, *names)
    assert job.get_status() == "finished"
    assert queue.started_job_registry.get_job_ids(cleanup=False) == []
    assert list(connection.scan_iter("rq:execution*")) == []


class Popping(Queue):
    """A queue of somebody's own, which takes jobs out in another way."""

    @classmethod
    def lmove(cls, connection: Redis, queue_key: str, timeout: int | None) -> Any:
        return cls.lpop([queue_key], timeout, connection=connection)


def test_a_job_begins_that_a_queue_of_another_class_has_taken_past_the_intermediate_queue(
    connection: Redis, job: Job
) -> None:
    work(connection, queue_class=Popping)
    assert visits == ALL
    assert job.get_status() == "finished"


def test_it_does_not_where_others_have_put_it_back(
    connection: Redis, queue: Queue, job: Job
) -> None:
    late = Late(["default"], connection=connection, queue_class=Popping)
    taken = take(late)
    queue.push_job_id(job.id)
    late.execute_job(*taken)
    assert visits == []
    assert queue.job_ids == [job.id]


# Put back


@pytest.fixture
def in_the_middle(monkeypatch: pytest.MonkeyPatch) -> Arrange:
    """Something happens once, when a worker has seen its job unbegun and not yet put it back."""
    return before_it_reads_executions(monkeypatch, unbegun)


def test_a_job_that_is_put_back_stands_in_its_queue_and_nowhere_else(
    connection: Redis, queue: Queue, job: Job
) -> None:
    late = late_worker(connection, ONE)
    taken, _ = take(late)
    late.prepare_execution(taken)
    put_back_unbegun(queue, taken, late.name)
    assert queue.job_ids == [job.id]
    assert queue.intermediate_queue.get_job_ids() == []
    assert_nothing_is_left_of_an_execution(queue)


def test_a_job_that_others_put_back_at_the_same_moment_stands_in_its_queue_once(
    connection: Redis, queue: Queue, job: Job, in_the_middle: Arrange
) -> None:
    late = late_worker(connection, ONE)
    taken, _ = take(late)
    in_the_middle(lambda: put_back(queue))
    put_back_unbegun(queue, taken, late.name)
    assert queue.job_ids == [job.id]


def test_a_job_that_is_canceled_at_the_same_moment_is_not_put_back(
    connection: Redis, queue: Queue, job: Job, in_the_middle: Arrange
) -> None:
    late = late_worker(connection, ONE)
    taken, _ = take(late)
    in_the_middle(job.cancel)
    put_back_unbegun(queue, taken, late.name)
    assert queue.is_empty()
    assert job.get_status() == "canceled"


def test_a_lost_job_that_stands_in_its_queue_already_is_put_back_once(queue: Queue) -> None:
    job = lost_job(queue)
    queue.push_job_id(job.id)
    assert recover_lost([queue]) == 1
    assert queue.job_ids == [job.id]
    assert job.get_status() == JobStatus.QUEUED

"""A record belongs to one run of one job: what starts afresh, and what goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Hashable
from typing import Any

import pytest
from click.testing import CliRunner
from redis import Redis
from rq import Callback, Queue, Repeat, Retry, get_current_job
from rq.cli.cli import main
from rq.job import Job
from rq.worker import BaseWorker

from rq_steps import continuable, step
from rq_steps.events import Event, Resumed, Started
from rq_steps.store import reopen
from tests.redis.scene import (
    BEFORE_THE_CLAIM,
    StockWorker,
    Worker,
    another_copy,
    completed,
    fail_at,
    failure,
    fields,
    happen,
    head,
    import_rows,
    import_rows_late,
    once_at,
    rows,
    shown,
    stop,
    visit,
    visits,
    work,
)
from tests.workers import Workers

PASS: list[Hashable] = [0, 1, 2, "report"]


@step
def one_of_many(number: int) -> int:
    visit(f"step {number}")
    return number


@continuable(resume_errors=False)
def do_many(count: int) -> int:
    """A number of steps, and one more that tends to fail."""
    total = 0
    for number in range(1, count + 1):
        total += one_of_many.with_options(name=f"step {number}")(number)
    return finish_up(total)


@step
def finish_up(total: int) -> int:
    visit("finish up")
    return total


def failed(queue: Queue, **options: Any) -> Job:
    """A job that has failed in its fifth step of five."""
    job = queue.enqueue(do_many, 4, **options)
    fail_at("finish up")
    work(queue.connection)
    assert job.is_failed
    visits.clear()
    return job


# Afresh


def test_each_run_of_a_repeated_job_starts_afresh(
    connection: Redis, queue: Queue, events: list[Event]
) -> None:
    queue.enqueue(import_rows, 3, repeat=Repeat(times=2))
    work(connection)
    assert visits == PASS * 3
    assert len([event for event in events if isinstance(event, Started)]) == 3
    assert not any(isinstance(event, Resumed) for event in events)


def test_a_run_of_a_repeated_job_that_is_interrupted_goes_on_in_the_same_run(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_rows, 3, repeat=Repeat(times=1))
    work(connection, executions=1)
    once_at(1, stop)
    work(connection)
    assert job.get_status() == "queued"
    work(connection)
    assert visits == PASS * 2
    assert another_copy(job).repeats_left == 0


def test_the_same_job_id_enqueued_again_starts_afresh(connection: Redis, queue: Queue) -> None:
    queue.enqueue(import_rows, 3, job_id="daily")
    fail_at(0)
    work(connection)
    queue.enqueue(import_rows, 3, job_id="daily")
    work(connection)
    assert visits == [0, *PASS]


def test_the_same_job_id_enqueued_again_half_way_starts_afresh(
    connection: Redis, queue: Queue
) -> None:
    queue.enqueue(import_rows, 3, job_id="daily")
    once_at("report", stop)
    once_at(1, stop)
    work(connection)
    queue.empty()
    queue.enqueue(import_rows, 3, job_id="daily")
    visits.clear()
    work(connection)
    assert visits == PASS


def test_fields_of_the_steps_of_an_earlier_run_are_gone_when_the_next_one_begins(
    connection: Redis, queue: Queue
) -> None:
    job = failed(queue, job_id="daily")
    assert {f"rq_steps:{number}" for number in range(1, 5)} < set(fields(job))
    queue.enqueue(import_rows, 3, job_id="daily")
    seen: list[set[str]] = []
    once_at(0, lambda: seen.append(set(fields(job))))
    work(connection)
    assert seen == [{"rq_steps", "rq_steps:claim"}]
    assert set(fields(job)) == {"rq_steps", "rq_steps:claim", "rq_steps:1", "rq_steps:2"}
    assert [done["name"] for done in completed(job)] == ["rows", "report"]


def test_a_finished_job_that_is_enqueued_again_starts_afresh(
    connection: Redis, queue: Queue
) -> None:
    """rq-scheduler does so. The time at which the job was made stays the same."""
    job = queue.enqueue(import_rows, 3)
    work(connection)
    queue.enqueue_job(another_copy(job))
    work(connection)
    assert visits == PASS * 2
    assert head(job)["executions"] == 1
    assert shown(job)["executions"] == 1


def test_a_job_that_failed_once_and_then_finished_starts_afresh_when_it_is_enqueued_again(
    connection: Redis, queue: Queue
) -> None:
    job = failed(queue)
    job.requeue()
    work(connection)
    assert visits == ["finish up"]
    visits.clear()
    queue.enqueue_job(another_copy(job))
    work(connection)
    assert visits == ["step 1", "step 2", "step 3", "step 4", "finish up"]


def test_a_failed_job_starts_from_scratch_without_the_head_of_its_record(
    connection: Redis, queue: Queue
) -> None:
    """The recipe: `redis-cli HDEL rq:job:<id> rq_steps`, and then `rq requeue`."""
    job = failed(queue)
    connection.hdel(job.key, "rq_steps")
    job.requeue()
    seen: list[set[str]] = []
    once_at("step 1", lambda: seen.append(set(fields(job))))
    work(connection)
    assert visits == ["step 1", "step 2", "step 3", "step 4", "finish up"]
    assert seen == [{"rq_steps", "rq_steps:claim"}]
    assert job.is_finished


# On


def test_a_failed_job_that_is_requeued_goes_on_and_skips_its_steps_with_their_results(
    connection: Redis, queue: Queue
) -> None:
    job = failed(queue)
    job.requeue()
    work(connection)
    assert visits == ["finish up"]
    assert job.return_value() == 1 + 2 + 3 + 4


def test_rq_requeue_continues_a_failed_job(connection: Redis, redis_url: str, queue: Queue) -> None:
    job = failed(queue)
    answer = CliRunner().invoke(main, ["requeue", "--url", redis_url, "--queue", "default", job.id])
    assert answer.exit_code == 0, answer.output
    work(connection)
    assert visits == ["finish up"]
    assert job.is_finished


def test_a_job_that_fails_in_the_middle_of_a_step_goes_on_at_its_cursor(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_rows_failing, 5)
    fail_at(3)
    work(connection)
    assert "out of order at 3" in failure(job)
    job.requeue()
    work(connection)
    assert visits == [0, 1, 2, 3, 3, 4]


@continuable(save_every=3600, resume_errors=False)
def import_rows_failing(count: int) -> None:
    rows(count)


def test_rqs_own_retry_of_a_failed_job_goes_on(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(do_many, 2, retry=Retry(max=1))
    fail_at("finish up")
    work(connection)
    assert visits == ["step 1", "step 2", "finish up", "finish up"]
    assert job.is_finished
    assert another_copy(job).retries_left == 0


@continuable
def ask_for_a_retry(count: int) -> str | Retry:
    total = rows(count)
    visit("asking")
    return f"{total} rows" if visits.count("asking") > 1 else Retry(max=1)


@pytest.mark.parametrize("worker_class", [Worker, StockWorker])
def test_a_continuable_that_returns_a_retry_is_retried_by_rq_and_skips_its_steps(
    connection: Redis, queue: Queue, worker_class: type[BaseWorker]
) -> None:
    job = queue.enqueue(ask_for_a_retry, 2)
    work(connection, worker_class=worker_class)
    assert visits == [0, 1, "asking", "asking"]
    assert job.return_value() == "2 rows"
    assert another_copy(job).number_of_retries == 1


def test_an_interrupted_job_that_was_enqueued_by_hand_goes_on(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_rows, 3)
    once_at(1, stop)
    work(connection)
    queue.remove(job)
    queue.enqueue_job(another_copy(job))
    work(connection)
    assert visits == PASS


# Finished, and failed after all


def raise_once(job: Job, connection: Redis, result: Any) -> None:
    happen("success callback")


OURS_AND_STOCK = pytest.mark.parametrize("worker_class", [Worker, StockWorker])


@OURS_AND_STOCK
def test_no_step_runs_twice_when_a_success_callback_raised_and_the_job_is_requeued(
    connection: Redis, queue: Queue, worker_class: type[BaseWorker]
) -> None:
    job = queue.enqueue(import_rows, 3, on_success=Callback(raise_once))
    fail_at("success callback")
    work(connection, worker_class=worker_class)
    assert job.is_failed
    job.requeue()
    work(connection, worker_class=worker_class)
    assert visits == PASS
    assert job.is_finished
    assert job.return_value() == "3 rows"


def test_no_step_runs_twice_when_a_success_callback_raised_and_rq_retries_the_job(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_rows, 3, on_success=Callback(raise_once), retry=Retry(max=1))
    fail_at("success callback")
    work(connection)
    assert visits == PASS
    assert job.is_finished


@OURS_AND_STOCK
def test_a_job_whose_success_callback_raised_once_starts_afresh_after_it_has_finished(
    connection: Redis, queue: Queue, worker_class: type[BaseWorker]
) -> None:
    job = queue.enqueue(import_rows, 3, on_success=Callback(raise_once))
    fail_at("success callback")
    work(connection, worker_class=worker_class)
    job.requeue()
    work(connection, worker_class=worker_class)
    queue.enqueue_job(another_copy(job))
    work(connection, worker_class=worker_class)
    assert visits == PASS * 2


@OURS_AND_STOCK
def test_a_finished_job_that_was_enqueued_again_and_failed_before_its_claim_starts_afresh(
    connection: Redis, queue: Queue, worker_class: type[BaseWorker]
) -> None:
    job = queue.enqueue(import_rows_late, 3)
    work(connection, worker_class=worker_class)
    queue.enqueue_job(another_copy(job))
    fail_at(BEFORE_THE_CLAIM)
    work(connection, worker_class=worker_class)
    assert job.is_failed
    job.requeue()
    work(connection, worker_class=worker_class)
    assert visits == PASS * 2
    assert job.is_finished


@OURS_AND_STOCK
def test_a_second_run_that_finished_and_failed_after_all_goes_on_too(
    connection: Redis, queue: Queue, worker_class: type[BaseWorker]
) -> None:
    job = queue.enqueue(import_rows, 3, on_success=Callback(raise_once))
    work(connection, worker_class=worker_class)
    queue.enqueue_job(another_copy(job))
    fail_at("success callback")
    work(connection, worker_class=worker_class)
    assert job.is_failed
    job.requeue()
    work(connection, worker_class=worker_class)
    assert visits == PASS * 2
    assert job.is_finished


KILLED = "killed"


def kill_once(job: Job, connection: Redis, result: Any) -> None:
    if connection.incr(KILLED) == 1:
        os.kill(os.getpid(), signal.SIGKILL)


@step
def count_up() -> int:
    job = get_current_job()
    assert job is not None
    counted: Any = job.connection.incr("counted")
    return int(counted)


@continuable
def count_once() -> int:
    return count_up()


def test_no_step_runs_twice_when_the_horse_was_killed_in_a_success_callback_and_the_job_is_requeued(
    connection: Redis, queue: Queue, worker: Workers
) -> None:
    job = queue.enqueue(count_once, on_success=Callback(kill_once))
    worker(worker_class="rq.Worker", burst=True).wait()
    assert job.is_failed
    job.requeue()
    worker(worker_class="rq.Worker", burst=True).wait()
    assert job.is_finished
    assert job.return_value() == 1


@continuable
def return_what_cannot_be_pickled() -> object:
    total = rows(3)
    return lambda: total


@OURS_AND_STOCK
def test_a_result_that_rq_cannot_pickle_costs_no_step(
    connection: Redis, queue: Queue, worker_class: type[BaseWorker]
) -> None:
    """RQ keeps a text in its place; the steps have their own results."""
    job = queue.enqueue(return_what_cannot_be_pickled)
    work(connection, worker_class=worker_class)
    assert visits == [0, 1, 2]
    assert completed(job) == [{"name": "rows", "result": 3}]
    assert job.is_finished


class OneWhoReadsSlowly(Redis):
    """Between reading a field and the next command, something happens."""

    def hget(self, name: Any, key: Any) -> Any:
        value = super().hget(name, key)
        happen("after reading")
        return value


@pytest.mark.parametrize("meanwhile", ["saved", "deleted"])
def test_a_run_that_failed_after_all_is_reopened_without_writing_over_anybody(
    connection: Redis, redis_url: str, queue: Queue, meanwhile: str
) -> None:
    job = queue.enqueue(import_rows, 3)
    work(connection)

    def happen_meanwhile() -> None:
        if meanwhile == "deleted":
            another_copy(job).delete()
        else:
            connection.hset(job.key, "rq_steps", '{"saved by": "another"}')

    with OneWhoReadsSlowly.from_url(redis_url) as slow:
        slow_job = Job.fetch(job.id, connection=slow)
        once_at("after reading", happen_meanwhile)
        reopen(slow_job)
    if meanwhile == "deleted":
        assert not connection.exists(job.key)
    else:
        assert fields(job)["rq_steps"] == '{"saved by": "another"}'

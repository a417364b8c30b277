"""Redis is away for longer than an execution waits: it ends as if it had been killed.

The worker goes on, with a work-horse or without.
"""

from __future__ import annotations

from typing import Any

import pytest
import rq.worker
from redis import Redis
from rq import Callback, Queue
from rq.executions import Execution
from rq.job import Job

import rq_steps
from rq_steps.patience import AWAY, GaveUp
from rq_steps.store import Claim, Store
from tests.jobs.plain import double
from tests.redis.scene import Worker, happen, head, import_rows, once_at, stop, visits, work

ALL = [*range(3), "report"]
AT_ITS_END, WITH_THE_JOB_IN_HAND = "at its end", "with the job in hand"


def give_up() -> None:
    raise GaveUp("Redis is away")


class Patient(Worker):
    """Its patience may come to an end at these places."""

    def prepare_execution(self, job: Job) -> Execution:
        happen(WITH_THE_JOB_IN_HAND)
        return super().prepare_execution(job)

    def handle_execution_ended(self, *args: Any, **kwargs: Any) -> None:
        happen(AT_ITS_END)
        super().handle_execution_ended(*args, **kwargs)


def told(*args: Any) -> None:
    visits.append("told")


@pytest.fixture
def job(queue: Queue) -> Job:
    return queue.enqueue(import_rows, 3, on_failure=Callback(told))


def assert_done_once(job: Job) -> None:
    """By the same worker, in a second execution."""
    assert job.get_status() == "finished"
    assert visits == ALL
    assert [result.type.name for result in job.results()] == ["SUCCESSFUL"]
    assert list(job.connection.scan_iter("rq:execution*")) == []


def test_a_job_whose_last_step_has_completed_is_put_back_and_finished(
    connection: Redis, job: Job
) -> None:
    once_at(AT_ITS_END, give_up)
    work(connection, worker_class=Patient)
    assert_done_once(job)
    assert head(job)["executions"] == 2


def test_an_interrupted_job_is_put_back(connection: Redis, job: Job) -> None:
    once_at(1, stop)
    once_at(AT_ITS_END, give_up)
    work(connection, worker_class=Patient)
    assert job.get_status() == "queued"
    work(connection)
    assert_done_once(job)


def test_a_job_that_was_not_claimed_yet_is_put_back(
    connection: Redis, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def claim(store: Store) -> Claim:
        monkeypatch.undo()
        raise GaveUp("Redis is away")

    monkeypatch.setattr(Store, "claim", claim)
    work(connection, worker_class=Patient)
    assert_done_once(job)


@pytest.mark.parametrize("names", [["default"], ["default", "other"]])
def test_a_job_is_put_back_that_was_taken_and_has_no_execution(
    connection: Redis, queue: Queue, job: Job, names: list[str]
) -> None:
    once_at(WITH_THE_JOB_IN_HAND, give_up)
    work(connection, *names, worker_class=Patient, executions=1)
    assert queue.job_ids == [job.id]
    assert queue.intermediate_queue.get_job_ids() == []
    work(connection, *names)
    assert_done_once(job)


def test_a_job_is_put_back_that_was_taken_after_another(
    connection: Redis, queue: Queue, job: Job
) -> None:
    """The worker knows of an execution: that of the job before."""
    second = queue.enqueue(import_rows, 3)
    once_at(0, lambda: once_at(WITH_THE_JOB_IN_HAND, give_up))
    work(connection, worker_class=Patient)
    assert (job.get_status(), second.get_status()) == ("finished", "finished")
    assert visits == ALL * 2


@pytest.mark.parametrize("error", AWAY)
def test_a_job_that_was_done_when_its_work_horse_is_found_gone_stays_finished(
    connection: Redis, queue: Queue, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """While the worker looked after it, Redis was away."""
    job = queue.enqueue(double, 21)
    work(connection)

    def away(*args: Any) -> None:
        raise error

    monkeypatch.setattr(rq.worker.Worker, "monitor_work_horse", away)
    rq_steps.Worker([queue], connection=connection).monitor_work_horse(job, queue)
    assert job.get_status() == "finished"
    assert queue.failed_job_registry.count == 0

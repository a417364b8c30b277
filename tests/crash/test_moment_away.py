"""Redis is away for a moment, just when a worker talks to it about a job."""

from __future__ import annotations

from typing import Any

import pytest
import rq.worker
from redis import Redis
from redis.exceptions import ConnectionError
from rq import Queue, Repeat
from rq.executions import Execution
from rq.job import Job
from rq.worker import BaseWorker

from rq_steps import ContinuableWorkerMixin
from tests.jobs.plain import double
from tests.redis.scene import (
    TakesNoCommands,
    Worker,
    happen,
    import_rows,
    once_at,
    stop,
    visit,
    visits,
    work,
)

TAKEN, BEFORE_THE_COMMIT = "taken", "before the commit"
BEFORE_THE_FUNCTION = "before the function"


def be_away(*args: Any) -> None:
    raise ConnectionError("Redis is away")


class Unlucky(Worker):
    """It may lose its connection when it has taken a job, and when it is about to end one."""

    def reorder_queues(self, *args: Any, **kwargs: Any) -> None:
        super().reorder_queues(*args, **kwargs)
        happen(TAKEN)

    def cleanup_execution(self, *args: Any, **kwargs: Any) -> None:
        super().cleanup_execution(*args, **kwargs)
        happen(BEFORE_THE_COMMIT)


@pytest.mark.parametrize("names", [["default"], ["default", "other"]])
def test_a_worker_that_is_told_to_leave_meanwhile_puts_back_the_job_that_it_has_taken(
    connection: Redis, queue: Queue, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    def heartbeat(*args: Any) -> None:
        monkeypatch.undo()
        be_away()

    def be_told() -> None:
        stop()
        monkeypatch.setattr(BaseWorker, "heartbeat", heartbeat)

    job = queue.enqueue(import_rows, 1)
    once_at(TAKEN, be_told)
    work(connection, *names, worker_class=Unlucky)
    assert queue.job_ids == [job.id]
    assert visits == []


def test_a_job_that_repeats_is_repeated_as_often_as_it_should(
    connection: Redis, queue: Queue
) -> None:
    queue.enqueue(import_rows, 1, repeat=Repeat(times=2))
    once_at(BEFORE_THE_COMMIT, be_away)
    work(connection, worker_class=Unlucky)
    assert visits == [0, "report"] * 3


def test_a_job_does_not_fail_where_redis_is_away_before_its_function_is_called(
    connection: Redis, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before RQ 3, `Job.perform` begins with a command to Redis."""
    perform = Job.perform

    def lose_connection_and_perform(job: Job) -> Any:
        happen(BEFORE_THE_FUNCTION)
        return perform(job)

    monkeypatch.setattr(Job, "perform", lose_connection_and_perform)
    once_at(BEFORE_THE_FUNCTION, be_away)
    job = queue.enqueue(import_rows, 2)
    work(connection)
    assert job.get_status() == "finished"
    assert visits == [0, 1, "report"]


def lose_connection() -> None:
    visit("plain")
    be_away()


def test_a_job_that_loses_a_connection_itself_fails_as_with_rq(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(lose_connection)
    work(connection)
    assert job.get_status() == "failed"
    assert visits == ["plain"]


NOTED = "an execution is noted"


class LosesAnAnswer(TakesNoCommands, rq.worker.BaseWorker):
    """Redis has noted an execution, and does not come to say so."""

    def prepare_execution(self, job: Job) -> Execution:
        execution = super().prepare_execution(job)
        happen(NOTED)
        return execution


class Forking(ContinuableWorkerMixin, LosesAnAnswer, rq.worker.Worker):
    pass


class Simple(ContinuableWorkerMixin, LosesAnAnswer, rq.worker.SimpleWorker):
    pass


@pytest.mark.parametrize("worker_class", [Forking, Simple])
@pytest.mark.parametrize("function", [import_rows, double])
def test_an_execution_that_was_noted_twice_is_closed_and_so_are_those_that_follow(
    connection: Redis, queue: Queue, worker_class: type[BaseWorker], function: Any
) -> None:
    jobs = [queue.enqueue(function, 3) for _ in range(3)]
    once_at(NOTED, be_away)
    work(connection, worker_class=worker_class)
    assert [job.get_status() for job in jobs] == ["finished"] * 3
    assert list(connection.scan_iter("rq:execution*")) == []
    assert queue.started_job_registry.get_job_ids(cleanup=False) == []

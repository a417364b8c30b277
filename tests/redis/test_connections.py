"""How many connections to Redis an execution takes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from redis import Redis
from rq import Queue, get_current_job
from rq.job import Job
from rq.worker import BaseWorker

from rq_steps import Step, continuable, step
from tests.redis.scene import (
    StockWorker,
    Worker,
    completed,
    once_at,
    signal_handlers_put_back,
    stop,
    visit,
    visits,
    work,
)
from tests.workers import wait_until


@pytest.fixture
def two_connections(connection: Redis, redis_url: str) -> Iterator[Redis]:
    """A client of two connections and no more."""
    with Redis.from_url(redis_url, max_connections=2) as client:
        yield client


def current_job() -> Job:
    job = get_current_job()
    assert job is not None
    return job


@step
def count_up(step: Step) -> None:
    """Takes one connection for the transaction, and one for what it reads meanwhile."""
    job = current_job()
    for number in step.each(range(3)):
        visit(number)
        with job.connection.pipeline() as transaction:
            transaction.watch("counted")  # type: ignore[no-untyped-call]
            job.connection.get("anything")
            transaction.multi()
            transaction.incr("counted")
            transaction.execute()


@continuable(save_every=0)
def count() -> None:
    count_up()


@pytest.mark.parametrize("worker_class", [Worker, StockWorker])
def test_a_job_on_a_pool_of_two_connections_has_both_of_them_for_itself(
    two_connections: Redis, worker_class: type[BaseWorker]
) -> None:
    job = Queue(connection=two_connections).enqueue(count)
    once_at(1, stop)
    for _ in range(2):
        work(two_connections, worker_class=worker_class)
    assert job.is_finished
    assert visits == [0, 1, 2]
    assert two_connections.get("counted") == b"3"
    assert completed(job) == [{"name": "count_up", "result": None}]


def test_a_request_to_stop_is_told_though_a_job_holds_all_connections(
    connection: Redis, two_connections: Redis
) -> None:
    worker = Worker(["default"], connection=two_connections)

    def stop_with_none_left() -> None:
        with two_connections.pipeline() as one, two_connections.pipeline() as other:
            one.watch("one")  # type: ignore[no-untyped-call]
            other.watch("other")  # type: ignore[no-untyped-call]
            stop()
            told = partial(connection.hexists, worker.key, "shutdown_requested_date")
            wait_until(told, "nobody is told", deadline=5)

    job = Queue(connection=two_connections).enqueue(count)
    once_at(1, stop_with_none_left)
    with signal_handlers_put_back():
        worker.work()
    assert job.get_status() == "queued"


def test_a_client_that_keeps_one_connection_for_itself_is_not_shared_with_threads(
    redis_url: str,
) -> None:
    """Two that wait for an answer at once would each get the other's."""
    with Redis.from_url(redis_url, single_connection_client=True) as client:
        queue = Queue(connection=client)
        worker = Worker([queue], connection=client)
        of_job: list[object] = []
        once_at(1, lambda: of_job.append(current_job().connection.connection))
        job = queue.enqueue(count)
        with signal_handlers_put_back():
            worker.work(burst=True)
        assert job.get_status() == "finished"
        assert of_job == [None]
        assert worker.connection.connection is None
        assert [each.connection.connection for each in worker.queues] == [None]

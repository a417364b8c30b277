"""How many connections to Redis an execution takes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis
from rq import Queue, get_current_job
from rq.worker import BaseWorker

from rq_steps import Step, continuable, step
from tests.redis.scene import StockWorker, Worker, completed, once_at, stop, visit, visits, work


@pytest.fixture
def two_connections(connection: Redis, redis_url: str) -> Iterator[Redis]:
    """A client of two connections and no more."""
    with Redis.from_url(redis_url, max_connections=2) as client:
        yield client


@step
def count_up(step: Step) -> None:
    """Takes one connection for the transaction, and one for what it reads meanwhile."""
    job = get_current_job()
    assert job is not None
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

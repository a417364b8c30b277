"""What docs/workers.md says of decorators that come and go, and of fleets that are mixed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import rq
from redis import Redis
from rq import Queue

from tests.docs import calls, deployed
from tests.rails.scene import Worker, work
from tests.redis.scene import signal_handlers_put_back

Deploy = Callable[[Callable[[], str]], None]

ONCE = [0, 1, 2, 3]


class StockWorker(rq.SimpleWorker):
    """Takes no commands, as the worker of the tests that is ours."""

    def subscribe(self) -> None:
        pass

    def unsubscribe(self) -> None:
        pass


def stock_work(connection: Redis) -> None:
    StockWorker(["default"], connection=connection).work(burst=True)


FLEETS = [(work, stock_work), (stock_work, work)]


@pytest.fixture(autouse=True)
def _recording() -> Iterator[None]:
    with signal_handlers_put_back(), calls.recording():
        yield


@pytest.fixture
def deploy(monkeypatch: pytest.MonkeyPatch) -> Deploy:
    return lambda function: monkeypatch.setattr(deployed, "job", function)


def test_a_queued_job_is_a_continuable_once_the_decorator_is_deployed(
    connection: Redis, deploy: Deploy
) -> None:
    job = Queue(connection=connection).enqueue(deployed.NAME)
    deploy(deployed.decorated)
    calls.during("second", 1, calls.stop)
    work(connection)
    assert calls.all_of("second") == [0, 1]
    work(connection)
    assert job.return_value() == "done"
    assert (calls.all_of("first"), calls.all_of("second")) == ([None], ONCE)


def test_without_the_decorator_an_interrupted_job_begins_again_at_the_start(
    connection: Redis, deploy: Deploy
) -> None:
    deploy(deployed.decorated)
    job = Queue(connection=connection).enqueue(deployed.NAME)
    calls.during("second", 1, calls.stop)
    work(connection)
    deploy(deployed.plain)
    work(connection)
    assert job.return_value() == "done"
    assert (calls.all_of("first"), calls.all_of("second")) == ([None, None], [0, 1, *ONCE])


@pytest.mark.parametrize(("before", "after"), FLEETS, ids=["ours first", "stock first"])
def test_a_job_that_is_interrupted_on_one_kind_of_worker_goes_on_on_the_other(
    connection: Redis,
    deploy: Deploy,
    before: Callable[[Redis], None],
    after: Callable[[Redis], None],
) -> None:
    deploy(deployed.decorated)
    job = Queue(connection=connection).enqueue(deployed.NAME)
    calls.during("second", 1, calls.stop)
    before(connection)
    assert job.is_queued
    after(connection)
    assert job.return_value() == "done"
    assert (calls.all_of("first"), calls.all_of("second")) == ([None], ONCE)


@pytest.mark.parametrize(
    ("worker_class", "counted"), [(Worker, 0), (StockWorker, 1)], ids=["ours", "stock"]
)
def test_an_interruption_counts_as_a_retry_and_a_failure_on_a_stock_worker_alone(
    connection: Redis, deploy: Deploy, worker_class: type[rq.SimpleWorker], counted: int
) -> None:
    deploy(deployed.decorated)
    job = Queue(connection=connection).enqueue(deployed.NAME)
    calls.during("second", 1, calls.stop)
    worker = worker_class(["default"], connection=connection)
    worker.work(burst=True)
    job.refresh()
    worker.refresh()
    assert (job.number_of_retries or 0, worker.failed_job_count) == (counted, counted)
    assert [result.type.name for result in job.results()] == ["RETRIED"] * counted

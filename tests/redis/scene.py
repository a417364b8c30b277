"""Jobs that run on a worker in the test's own process, and what happens to them meanwhile.

A job says where it is with `visit`. The test arranges what is to happen there, once, as if by
somebody else's hand:

    once_at(3, lambda: another_copy(job).cancel())
    work(connection)
    assert visits == [0, 1, 2, 3]
"""

from __future__ import annotations

import functools
import json
import signal
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from redis import Redis
from rq import Queue, SimpleWorker
from rq.job import Job
from rq.registry import ScheduledJobRegistry
from rq.worker import BaseWorker

import rq_steps
from rq_steps import Step, continuable, step
from rq_steps.promotion import waiting_key
from rq_steps.store import Claim, Store

RQ_3 = int(version("rq").split(".")[0]) >= 3

visits: list[Hashable] = []
"""Where the jobs of this test have been, in order."""

arranged: dict[Hashable, Callable[[], object]] = {}
"""What is still to happen, by place."""


def visit(place: Hashable) -> None:
    """Called by a job: it is here. Now happens what was arranged for this place."""
    visits.append(place)
    happen(place)


def happen(place: Hashable) -> None:
    """What was arranged for this place happens."""
    happening = arranged.pop(place, None)
    if happening is not None:
        happening()


def once_at(place: Hashable, happening: Callable[[], object]) -> None:
    """The next time that a job comes to the place, this happens. A job has to come there."""
    arranged[place] = happening


def fail_at(place: Hashable, error: BaseException | None = None) -> None:
    """The next time that a job comes to the place, it raises."""

    def fail() -> None:
        raise error or RuntimeError(f"out of order at {place}")

    once_at(place, fail)


def stop() -> None:
    """The worker is asked to shut down."""
    signal.raise_signal(signal.SIGTERM)


@step
def rows(step: Step, count: int) -> int:
    for row in step.each(range(count)):
        visit(row)
    return count


@step
def report(total: int) -> str:
    visit("report")
    return f"{total} rows"


@continuable(save_every=0, error_wait=0)
def import_rows(count: int) -> str:
    """Two steps, and every checkpoint is saved: it visits the rows, and then `report`."""
    return report(rows(count))


BEFORE_THE_CLAIM = "before the claim"


def _late(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any) -> Any:
        happen(BEFORE_THE_CLAIM)
        return function(*args)

    return call


@_late
@continuable(save_every=0, error_wait=0)
def import_rows_late(count: int) -> str:
    """The same, with a moment between RQ's start of the job and the claim of the execution."""
    return report(rows(count))


BEFORE_PUTTING_BACK = "before putting back"
WHILE_PUTTING_BACK = "while putting back"


class TakesNoCommands:
    """Of a worker: RQ's thread for them costs time at every start."""

    def subscribe(self) -> None:
        pass

    def unsubscribe(self) -> None:
        pass


class Worker(TakesNoCommands, rq_steps.SimpleWorker):
    """Happenings can be arranged for when it puts a job back."""

    def handle_job_retry(self, *args: Any, **kwargs: Any) -> None:
        happen(BEFORE_PUTTING_BACK)
        super().handle_job_retry(*args, **kwargs)

    def increment_total_working_time(self, *args: Any) -> None:
        """Within the transaction: RQ calls this in others, too."""
        happen(WHILE_PUTTING_BACK)
        super().increment_total_working_time(*args)


class StockWorker(TakesNoCommands, SimpleWorker):
    """RQ's own."""


def work(
    connection: Redis,
    *queues: str,
    executions: int | None = None,
    worker_class: type[BaseWorker] = Worker,
    burst: bool = True,
    **options: Any,
) -> None:
    """A new worker works until it finds no job, was told to stop, or has run so many executions.

    Not in a burst, it waits for jobs.
    """
    worker = worker_class(list(queues) or ["default"], connection=connection, **options)
    with signal_handlers_put_back():
        worker.work(burst=burst, max_jobs=executions)


@contextmanager
def signal_handlers_put_back() -> Iterator[None]:
    """A worker leaves its own behind, and they would take the test run's Ctrl+C."""
    handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, handler in handlers.items():
            signal.signal(signum, handler)


def another_copy(job: Job) -> Job:
    """The job as somebody else has fetched it just now."""
    return Job.fetch(job.id, connection=job.connection, serializer=job.serializer)


def claimed_by_another(job: Job) -> Claim:
    """Another execution claims the job."""
    return Store(another_copy(job), "another", "rq:worker:another").claim()


def fields(job: Job) -> dict[str, str]:
    """Our fields in the job's hash, as `redis-cli HGETALL` shows them."""
    stored: Any = job.connection.hgetall(job.key)
    ours = [name for name in stored if name.startswith(b"rq_steps")]
    return {name.decode(): stored[name].decode() for name in ours}


def head(job: Job) -> dict[str, Any]:
    """The head of the record."""
    stored: dict[str, Any] = json.loads(fields(job)["rq_steps"])
    return stored


def cursor(job: Job) -> Any:
    """The cursor of the step that has begun."""
    return head(job)["current"]["cursor"]


def completed(job: Job) -> list[dict[str, Any]]:
    """The completed steps, with their results."""
    count = head(job)["completed"]
    return [json.loads(fields(job)[f"rq_steps:{place}"]) for place in range(1, count + 1)]


def shown(job: Job) -> dict[str, Any]:
    """What job.meta shows of the progress."""
    progress: dict[str, Any] = another_copy(job).meta["rq_steps"]
    return progress


def failure(job: Job) -> str:
    """The last line of the traceback that RQ keeps for the job, which has to have failed."""
    assert job.get_status() == "failed"
    result = job.latest_result()
    assert result is not None
    assert result.exc_string is not None
    return result.exc_string.splitlines()[-1]


def is_waiting(job: Job) -> bool:
    """Is it to come back when its wait is over?"""
    copy = another_copy(job)
    registry = ScheduledJobRegistry(copy.origin, connection=copy.connection)
    return copy.get_status() == "scheduled" and copy.id in registry.get_job_ids()


def wait_of(job: Job, queue: Queue) -> float:
    """Seconds from now on Redis' clock until the job is due."""
    due = job.connection.zscore(waiting_key(queue), job.id)
    assert isinstance(due, float)
    seconds, microseconds = job.connection.time()
    return due - seconds - microseconds / 1_000_000


def pass_time(queue: Queue, seconds: float = 86_400) -> None:
    """All who wait for the queue have waited so much longer."""
    connection = queue.connection
    for key in (waiting_key(queue), ScheduledJobRegistry(queue=queue).key):
        job_ids: Any = connection.zrange(key, 0, -1)
        for job_id in job_ids:
            connection.zincrby(key, -seconds, job_id)


def everything_but_the_heartbeat(job: Job) -> dict[bytes, bytes]:
    """All of the job's hash but what RQ itself writes when an execution has ended."""
    stored: Any = job.connection.hgetall(job.key)
    del stored[b"last_heartbeat"]
    return dict(stored)

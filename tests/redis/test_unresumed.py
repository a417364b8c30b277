"""Continuables and steps that a job calls and nobody would resume: the log says so."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis
from rq import Queue
from rq.worker import BaseWorker

from rq_steps import continuable, step
from tests.redis.scene import StockWorker, Worker, import_rows, rows, visits, work

ADVICE = (
    "runs straight through, in memory: nobody resumes it. Enqueue a continuable itself; "
    "a decorator over it needs functools.wraps"
)


@step
def note() -> None:
    pass


@step
async def note_later() -> None:
    pass


@continuable
async def note_all() -> None:
    await note_later()


def call_continuable() -> None:
    import_rows(2)
    import_rows(2)


def call_async_continuable() -> None:
    asyncio.run(note_all())


def call_async_step() -> None:
    asyncio.run(note_later())


def without_wraps(function: Callable[[], None]) -> Callable[[], None]:
    def outer() -> None:
        function()

    return outer


@without_wraps
@continuable
def decorated() -> None:
    note()


decorated.__qualname__ = "decorated"


@pytest.mark.parametrize("worker_class", [Worker, StockWorker])
@pytest.mark.parametrize(
    ("function", "arguments", "what"),
    [
        (call_continuable, (), "continuable 'import_rows'"),
        (call_async_continuable, (), "continuable 'note_all'"),
        (decorated, (), "continuable 'decorated'"),
        (rows, (2,), "step 'rows'"),
        (note, (), "step 'note'"),
        (call_async_step, (), "step 'note_later'"),
    ],
)
def test_it_is_told_of_once_a_job(
    connection: Redis,
    queue: Queue,
    caplog: pytest.LogCaptureFixture,
    worker_class: type[BaseWorker],
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    what: str,
) -> None:
    job = queue.enqueue(function, *arguments)
    work(connection, worker_class=worker_class)
    told = [each.getMessage() for each in caplog.records if each.name == "rq_steps"]
    assert told == [f"Job {job.id}: {what} is not what the job runs, and {ADVICE}"]


def test_a_continuable_that_the_job_runs_is_not_told_of(
    connection: Redis, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    queue.enqueue(import_rows, 2)
    queue.enqueue(functools.partial(import_rows, 2))
    work(connection)
    assert visits == [0, 1, "report"] * 2
    assert ADVICE not in caplog.text


def test_a_queue_that_is_not_async_tells_of_nothing(
    connection: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    queue = Queue(is_async=False, connection=connection)
    queue.enqueue(import_rows, 2)
    queue.enqueue(call_continuable)
    assert len(visits) == 9
    assert ADVICE not in caplog.text

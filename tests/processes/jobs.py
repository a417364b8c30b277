"""Jobs that say where they are, and wait there until the test tells them to go on.

See `course.py`, which is the test's side of it.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Callable

from redis import Redis
from rq import Queue, get_current_job
from rq.job import Job

from rq_steps import Step, continuable, step
from rq_steps.sources import numbered, parquet_rows
from tests.workers import wait_until

VISITED = "visited"
HOLDS = "holds"
AT = "at"
GO = "go"


def current_job() -> Job:
    job = get_current_job()
    assert job is not None
    return job


def visit(place: object) -> None:
    """Write down the place and the worker; wait there if the test wants it."""
    job = current_job()
    connection: Redis = job.connection
    connection.rpush(VISITED, f"{job.worker_name} {place}")
    if connection.sismember(HOLDS, str(place)):
        connection.rpush(AT, f"{os.getpid()} {place}")
        connection.blpop([GO], timeout=60)


@step
def rows(step: Step, count: int) -> int:
    for row in step.each(range(count)):
        visit(row)
    return count


@step
def report(total: int) -> str:
    visit("report")
    return f"{total} rows"


@continuable(save_every=3600)
def import_rows(count: int) -> str:
    """Saved when a step begins and ends, and when it is interrupted: only a signal stops it."""
    return report(rows(count))


@continuable(save_every=0)
def import_rows_saving_all(count: int) -> str:
    """Saved at every checkpoint, where the job of a stock worker learns that it is to stop."""
    return report(rows(count))


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(0)
        yield number


@step
async def rows_of_a_client(step: Step, count: int) -> int:
    async for row in step.each(numbers(count)):
        visit(row)
    return count


@continuable(save_every=3600)
async def import_rows_async(count: int) -> str:
    return report(await rows_of_a_client(count))


@step
def rows_of_parquet(step: Step, path: str) -> int:
    source = parquet_rows(path)
    for number, row in step.each(numbered(source)):
        assert number == row["number"]
        visit(number)
    return source.total


@continuable(save_every=3600)
def import_parquet(path: str) -> str:
    return report(rows_of_parquet(path))


def plain(count: int) -> int:
    """RQ's own kind of job."""
    for row in range(count):
        visit(row)
    return count


@continuable(save_every=3600)
def import_with_a_child() -> int:
    """A process that a step starts is asked to end, as a pool of processes is when it closes."""
    return ended_child()


@step
def ended_child() -> int:
    return plain_with_a_child()


def pause_forever() -> None:
    while True:
        signal.pause()


def plain_with_a_child() -> int:
    """The exit code of a process that it starts and terminates."""
    child = multiprocessing.get_context("fork").Process(target=pause_forever)
    child.start()
    child.terminate()
    child.join(30)
    return -1 if child.exitcode is None else child.exitcode


@step
def watch_for_a_stop(step: Step) -> list[bool]:
    """What `stopping` says before and after, with no checkpoint in between."""
    before = step.stopping
    visit("watching")
    return [before, step.stopping]


@continuable(save_every=3600)
def watchful() -> list[bool]:
    return watch_for_a_stop()


@step
def before() -> None:
    visit("before")


@step(isolated=True)
def alone() -> None:
    visit("alone")


@step
def after() -> None:
    visit("after")


@continuable
def isolated() -> None:
    before()
    alone()
    after()


@step(start="first")
def wait_once(step: Step, seconds: float) -> None:
    visit(step.cursor)
    if step.cursor == "first":
        step.set("second")
        step.interrupt(wait=seconds, reason="throttled")


@continuable
def patient(seconds: float) -> None:
    """Interrupts itself once, and asks to be back after so many seconds."""
    wait_once(seconds)


@step(start=0)
def two(step: Step, interrupt: Callable[[Step], None]) -> None:
    """Two items, with an interruption between them."""
    while step.cursor < 2:
        visit(step.cursor)
        step.advance()
        if step.cursor == 1:
            interrupt(step)


def stop(step: Step) -> None:
    terminate_worker()
    wait_until(lambda: step.stopping, "SIGTERM has not come")
    step.checkpoint()


def fail(step: Step) -> None:
    raise LookupError("in the middle")


def run_out_of_time(step: Step) -> None:
    wait_until(lambda: step.checkpoint(), "time is not up")


@continuable(resume_wait=0.001)
def patiently_stopped() -> None:
    two(stop)


@continuable(error_wait=0.001)
def patiently_failing() -> None:
    two(fail)


@continuable(max_runtime=0.01)
def limited_by_max_runtime() -> None:
    two(run_out_of_time)


@continuable
def limited_by_the_job_timeout() -> None:
    two(run_out_of_time)


@continuable(resume_queue="elsewhere")
def elsewhere() -> None:
    two(stop)


@continuable(resume_queue="elsewhere", resume_wait=0.001)
def elsewhere_later() -> None:
    two(stop)


@step(start=0)
def look_after_dependents(step: Step) -> None:
    """Visits the seconds in which the set of those who depend on the job would expire."""
    while step.cursor < 2:
        job = current_job()
        visit(job.connection.ttl(job.dependents_key))
        step.advance()
        if step.cursor == 1:
            step.interrupt(wait=0.001)


@continuable
def anxious() -> None:
    look_after_dependents()


@step
def cancel_and_go_on(step: Step) -> None:
    current_job().cancel()
    step.save()
    visit("never")


@continuable
def canceling_itself() -> None:
    cancel_and_go_on()


@continuable
def set_up_logging() -> None:
    """Sets up the root logger after RQ has set up its own."""
    logging.basicConfig(format="ROOT %(message)s", level=logging.INFO)
    two(stop)


@continuable
def calm() -> None:
    two(stop)


@continuable(error_wait=0)
def failing_once() -> None:
    two(fail)


@step(start=0)
def four_stopped(step: Step) -> None:
    """Stops its worker in each of the first three items; stock workers learn of it by a save."""
    while step.cursor < 4:
        visit(step.cursor)
        if step.cursor < 3:
            terminate_worker()
        step.advance()


def terminate_worker() -> None:
    job = current_job()
    key = f"rq:worker:{job.worker_name}"
    os.kill(int(job.connection.hget(key, "pid") or 0), signal.SIGTERM)
    wait_until(lambda: job.connection.hexists(key, "shutdown_requested_date"), "no SIGTERM")


@continuable(save_every=0)
def travelling() -> str:
    four_stopped()
    return "arrived"


def changing() -> str:
    """A test puts @continuable over it, or takes it away."""
    two(stop)
    return "changed"


def changed() -> str:
    """Takes its place, without @continuable."""
    two(lambda step: None)
    return "changed"


@continuable
def around() -> str:
    return another_job()


@step
def another_job() -> str:
    """Enqueues a continuable on a queue that runs it at once, as projects do in their tests."""
    queue = Queue("inner", is_async=False, connection=current_job().connection)
    inner = queue.enqueue(calmly_inside)
    return f"{inner.is_finished}: {inner.return_value()}"


@continuable
def calmly_inside() -> str:
    return report(rows(2))

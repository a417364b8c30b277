"""Jobs that say where they are, and wait there until the test tells them to go on.

See `course.py`, which is the test's side of it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal

from redis import Redis
from rq import get_current_job
from rq.job import Job

from rq_steps import Step, continuable, step

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
    child.join(10)
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

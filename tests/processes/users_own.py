"""Jobs with processes and signal handlers of their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection

from redis import ConnectionPool, Redis

from rq_steps import Step, continuable, step
from tests.processes.jobs import current_job, rows, stop, visit
from tests.workers import wait_until

FORK = multiprocessing.get_context("fork")


@step
def another_step() -> str:
    visit("another step")
    return "done"


def save(step: Step) -> None:
    step.save()


def set_cursor(step: Step) -> None:
    step.set(100)


def interrupt(step: Step) -> None:
    step.interrupt(reason="in a child")


def call_a_step(step: Step) -> None:
    another_step()


def answer_in_child(action: Callable[[Step], None], step: Step) -> str:
    """What becomes of the action in a process that is forked."""
    here, there = FORK.Pipe()
    child = FORK.Process(target=_act, args=(action, step, there))
    child.start()
    answer = str(here.recv()) if here.poll(30) else "no answer"
    child.join(30)
    return answer


def _act(action: Callable[[Step], None], step: Step, answer: Connection) -> None:
    try:
        action(step)
    except BaseException as error:
        answer.send(f"{type(error).__name__}: {error}")
    else:
        answer.send("done")


@step(start=0)
def count_beside_children(step: Step) -> int:
    if not step.resumed:
        step.set(1)
        for action in (call_a_step, save, set_cursor, interrupt):
            visit(f"{action.__name__}: {answer_in_child(action, step)}")
        step.set(2)
        stop(step)
    return int(step.cursor)


@continuable(save_every=0)
def fork() -> int:
    return count_beside_children()


@step
def end_a_child() -> None:
    """It has inherited the handlers of a worker that runs the job in its own process."""
    job = current_job()
    key = f"rq:worker:{job.worker_name}"

    begun = FORK.Event()

    def until_told() -> None:
        # The worker's handler may not come while its own pool of connections is locked.
        pool = ConnectionPool(**job.connection.connection_pool.connection_kwargs)
        own = Redis(connection_pool=pool)
        begun.set()
        wait_until(lambda: own.hexists(key, "shutdown_requested_date"), "not told")

    child = FORK.Process(target=until_told)
    child.start()
    begun.wait(30)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGTERM)
    child.join(30)


@continuable(save_every=0)
def end_a_child_and_go_on(count: int) -> int:
    end_a_child()
    return rows(count)


@step
def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@continuable(max_resumptions=0)
def die() -> None:
    kill_itself()


def leave(how: str) -> None:
    """As people leave a process that they have forked; `os._exit` is what they should call."""
    if how == "exit":
        sys.exit(0)
    if how == "raise":
        raise LookupError("in a child")


@step
def rows_beside_a_child(step: Step, count: int, how: str) -> list[int]:
    """The exit status of a child, in each row."""
    statuses = []
    for row in step.each(range(count)):
        child = os.fork()
        if child == 0:
            leave(how)
            return []
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        visit(row)
    return statuses


@continuable(save_every=0)
def fork_and_forget_to_exit(count: int, how: str) -> list[int]:
    return rows_beside_a_child(count, how)


def exit_on_sigterm() -> str:
    """A plain job that takes SIGTERM for its own end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    visit("prepared")
    return "done"

"""An idle worker is killed: the next job goes to a living one, not into the dead one's socket."""

from __future__ import annotations

import multiprocessing
import os
import signal
from typing import Any

import psutil
import pytest
from redis import Redis
from rq import Queue

import rq_steps
from tests.crash.jobs import Scene, import_rows
from tests.workers import WorkerProcess, Workers, wait_until

QUEUES = [["default"], ["default", "other"]]


def waiting(connection: Redis) -> list[Any]:
    """The clients that wait for a job."""
    return [each for each in connection.client_list() if each["cmd"] in ("blmove", "blpop")]


def scheduler_of(running: WorkerProcess) -> int:
    children = wait_until(lambda: set(running.processes) - {running.pid}, "no scheduler")
    assert len(children) == 1
    return children.pop()


@pytest.mark.parametrize("queues", QUEUES)
@pytest.mark.parametrize("args", [[], ["--with-scheduler"]])
def test_a_job_that_comes_after_an_idle_worker_was_killed_goes_to_a_living_one(
    worker: Workers,
    connection: Redis,
    queue: Queue,
    scene: Scene,
    queues: list[str],
    args: list[str],
) -> None:
    killed = worker(*queues, args=args)
    wait_until(lambda: len(waiting(connection)) == 1, "the worker does not wait")
    killed.kill()
    wait_until(lambda: not waiting(connection), "the dead worker waits on")
    job = queue.enqueue(import_rows, str(scene.folder))
    worker(*queues, burst=True).wait()
    assert job.get_status() == "finished"


def test_a_scheduler_holds_none_of_its_workers_connections(
    worker: Workers, connection: Redis
) -> None:
    """Neither the one in which the worker waits for jobs, nor the one for its commands."""
    running = worker(args=["--with-scheduler"])
    clients = wait_until(lambda: waiting(connection), "the worker does not wait")
    waits_at = int(clients[0]["addr"].rpartition(":")[2])

    def ports(pid: int) -> set[int]:
        return {each.laddr.port for each in psutil.Process(pid).net_connections()}

    scheduler = scheduler_of(running)
    of_worker = ports(running.pid)
    assert waits_at in of_worker
    wait_until(lambda: not of_worker & ports(scheduler), "the scheduler holds one")


def test_a_scheduler_does_not_outlive_its_worker(worker: Workers, connection: Redis) -> None:
    running = worker(args=["--with-scheduler"])
    running.wait_until_listening()
    scheduler_of(running)
    running.kill()
    wait_until(lambda: not running.processes, "the scheduler lives on")


def test_what_is_forked_when_a_worker_has_ended_keeps_its_handlers(connection: Redis) -> None:
    """Else every process that a test, or a script, forks after a burst would die of SIGTERM."""
    handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        rq_steps.SimpleWorker(["default"], connection=connection).work(burst=True)
        child = multiprocessing.get_context("fork").Process(target=exit_with_handler)
        child.start()
        child.join(30)
    finally:
        for signum, handler in handlers.items():
            signal.signal(signum, handler)
    assert child.exitcode == 0


def exit_with_handler() -> None:
    os._exit(int(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL))

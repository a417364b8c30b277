"""SIGTERM to a worker that takes a job from its queues: the job stays there, or is put back."""

from __future__ import annotations

import os
import signal

import pytest
from redis import Redis
from rq import Queue

from rq_steps.server import PrivateServer
from tests.processes import jobs
from tests.processes.classes import MOMENT
from tests.processes.course import OURS, Course
from tests.processes.restless import status
from tests.workers import WorkerProcess, Workers, wait_until

one_queue_or_two = pytest.mark.parametrize("queues", [["default"], ["high", "default"]])


def wait_until_it_waits(connection: Redis) -> None:
    """Wait until the only worker waits for a job."""
    wait_until(
        lambda: any(client["cmd"] in ("blmove", "blpop") for client in connection.client_list()),
        "no worker waits for a job",
    )


def assert_untouched(running: WorkerProcess, queue: Queue, job_id: str) -> None:
    """The worker is gone, and the job is where it was."""
    assert running.wait() == 0
    assert queue.job_ids == [job_id]
    assert not queue.connection.exists(queue.intermediate_queue_key)
    assert queue.connection.hget(queue.job_class.key_for(job_id), "status") == b"queued"
    assert not queue.connection.keys("rq:execution*")


@one_queue_or_two
@pytest.mark.parametrize("worker_class", OURS)
def test_a_job_that_comes_together_with_sigterm_is_not_lost(
    worker_class: str, queues: list[str], worker: Workers, queue: Queue, connection: Redis
) -> None:
    """As when all workers are stopped at once, and one of them puts its job back."""
    running = worker(*queues, worker_class=worker_class)
    wait_until_it_waits(connection)
    os.kill(running.pid, signal.SIGSTOP)
    job = queue.enqueue(jobs.plain, 1)
    assert queue.job_ids == []  # the server has handed it over
    os.kill(running.pid, signal.SIGTERM)
    os.kill(running.pid, signal.SIGCONT)
    assert_untouched(running, queue, job.id)


def test_a_server_that_does_not_tell_its_version_has_its_jobs_done(
    worker: Workers, queue: Queue, connection: Redis, redis_url: str
) -> None:
    """As where an ACL denies INFO, and in fakeredis: RQ then takes a job of one queue as it takes
    those of several, past the intermediate queue."""
    connection.acl_setuser(
        "untold", enabled=True, nopass=True, keys="*", channels="*", commands=["+@all", "-info"]
    )
    job = queue.enqueue(jobs.isolated)
    untold = redis_url.replace("//", "//untold:none@")
    assert worker(burst=True, url=untold).wait() == 0
    assert status(job) == "finished"
    connection.acl_deluser("untold")


@one_queue_or_two
def test_sigterm_to_a_worker_that_has_just_taken_a_job_puts_the_job_back(
    queues: list[str], worker: Workers, queue: Queue, connection: Redis
) -> None:
    job = queue.enqueue(jobs.plain, 1)
    other = queue.enqueue(jobs.plain, 1)
    told = worker(*queues, worker_class="tests.processes.classes.Told", env={MOMENT: "taken"})
    assert told.wait() == 0
    assert queue.job_ids == [job.id, other.id]
    assert not connection.exists(queue.intermediate_queue_key)
    assert (status(job), status(other)) == ("queued", "queued")


@one_queue_or_two
def test_sigterm_to_a_worker_that_is_about_to_be_busy_puts_the_job_back(
    queues: list[str], worker: Workers, queue: Queue, course: Course
) -> None:
    job = queue.enqueue(jobs.import_rows, 3)
    told = worker(
        *queues, worker_class="tests.processes.classes.Told", env={MOMENT: "not yet busy"}
    )
    assert told.wait() == 0
    assert status(job) == "queued"
    assert course.visited == []
    assert worker(burst=True).wait() == 0
    assert course.visited == ["0", "1", "2", "report"]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
@one_queue_or_two
def test_an_idle_worker_is_woken_up_to_stop(
    queues: list[str], signum: signal.Signals, worker: Workers, connection: Redis
) -> None:
    running = worker(*queues, worker_class="tests.processes.classes.SoundAsleep")
    wait_until_it_waits(connection)
    os.kill(running.pid, signum)
    assert running.wait() == 0


def test_an_idle_worker_stops_although_redis_is_away(worker: Workers) -> None:
    with PrivateServer() as server:
        running = worker(url=server.url)
        running.wait_until_listening()
        server.kill()
        running.wait_for_output("could not connect to Redis")
        running.terminate()
        assert running.wait() == 0

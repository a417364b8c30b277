"""Redis is away for a while: neither the job nor the worker ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job

from rq_steps.server import PrivateServer
from tests.crash.jobs import COUNT, STOP, Scene, import_rows, import_rows_unsaved, plain
from tests.crash.proxy import LossyProxy
from tests.redis.scene import fields, head
from tests.workers import WorkerProcess, Workers, wait_until

ALL = list(range(COUNT))
WAITS = "Redis is away, and is waited for"
WORKERS = ["rq_steps.Worker", "rq_steps.SimpleWorker"]


@pytest.fixture
def own_server() -> Iterator[PrivateServer]:
    """One that keeps its data over a restart."""
    with PrivateServer(appendonly=True) as server:
        yield server


@pytest.fixture
def forgetful_server() -> Iterator[PrivateServer]:
    with PrivateServer() as server:
        yield server


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Workers]:
    with Workers("", tmp_path) as workers:
        yield workers


def queue_on(server: PrivateServer) -> Queue:
    return Queue(connection=Redis.from_url(server.url))


def wait_for_item(scene: Scene) -> None:
    wait_until(lambda: scene.is_held, "the job has not come to its item")


def held_in_its_item(
    server: PrivateServer, worker: Workers, scene: Scene, **options: Any
) -> tuple[Queue, Job, WorkerProcess]:
    """A job that is in the middle of its rows, on a worker of these options."""
    queue = queue_on(server)
    job = queue.enqueue(import_rows, str(scene.folder), "hold")
    running = worker(url=server.url, **options)
    wait_for_item(scene)
    return queue, job, running


def wait_for_end(queue: Queue, job_id: str) -> None:
    def is_done() -> bool:
        job = queue.fetch_job(job_id)
        return job is not None and job.get_status() == "finished"

    wait_until(is_done, "the job was not done")


@pytest.mark.parametrize("worker_class", WORKERS)
def test_a_checkpoint_waits_until_redis_is_back(
    worker: Workers, own_server: PrivateServer, scene: Scene, worker_class: str
) -> None:
    queue, job, running = held_in_its_item(own_server, worker, scene, worker_class=worker_class)
    own_server.kill()
    scene.release()
    running.wait_for_output(WAITS)
    assert scene.visits == ALL[: STOP + 1]
    own_server.start()
    wait_for_end(queue, job.id)
    assert scene.visits == ALL
    assert head(job)["executions"] == 1
    assert running.running


@pytest.mark.parametrize("worker_class", WORKERS)
def test_a_plain_job_that_ends_meanwhile_is_finished_when_redis_is_back(
    worker: Workers, own_server: PrivateServer, scene: Scene, worker_class: str
) -> None:
    """Without a work-horse, RQ's own worker would quit."""
    queue = queue_on(own_server)
    job = queue.enqueue(plain, str(scene.folder), "hold")
    running = worker(url=own_server.url, worker_class=worker_class)
    wait_for_item(scene)
    own_server.kill()
    scene.release()
    running.wait_for_output(WAITS)
    own_server.start()
    wait_for_end(queue, job.id)
    assert scene.visits == ALL
    assert running.running


def test_user_code_runs_on_until_a_save_is_due(
    worker: Workers, own_server: PrivateServer, scene: Scene
) -> None:
    queue = queue_on(own_server)
    job = queue.enqueue(import_rows_unsaved, str(scene.folder), "hold")
    running = worker(url=own_server.url)
    wait_for_item(scene)
    own_server.kill()
    scene.release()
    wait_until(lambda: scene.visits == ALL, "the job does not go on")
    running.wait_for_output(WAITS)
    own_server.start()
    wait_for_end(queue, job.id)
    assert scene.visits == ALL


def test_a_busy_worker_that_looks_after_its_horse_waits_too(
    worker: Workers, own_server: PrivateServer, scene: Scene
) -> None:
    """RQ's own would quit at its next heartbeat."""
    queue, job, running = held_in_its_item(
        own_server, worker, scene, args=["--job-monitoring-interval", "1"]
    )
    own_server.kill()
    running.wait_for_output("no heartbeat")
    own_server.start()
    scene.release()
    wait_for_end(queue, job.id)
    assert running.running


def test_a_horse_that_dies_meanwhile_is_noticed_when_redis_is_back(
    worker: Workers, own_server: PrivateServer, scene: Scene
) -> None:
    queue, job, running = held_in_its_item(own_server, worker, scene)
    own_server.kill()
    running.kill_horse()
    running.wait_for_output(WAITS)
    own_server.start()
    scene.release()
    wait_for_end(queue, job.id)
    assert scene.visits == [*ALL[: STOP + 1], *ALL[STOP:]]
    assert running.running


@pytest.mark.parametrize("worker_class", WORKERS)
def test_an_execution_gives_up_after_a_stated_time_as_if_killed(
    worker: Workers, own_server: PrivateServer, scene: Scene, worker_class: str
) -> None:
    queue = queue_on(own_server)
    job = queue.enqueue(import_rows_unsaved, str(scene.folder), "hold")
    running = worker(url=own_server.url, worker_class=worker_class, env={"RQ_STEPS_OUTAGE": "0.3"})
    wait_for_item(scene)
    own_server.kill()
    scene.release()
    running.wait_for_output("gives up")
    own_server.start()
    wait_for_end(queue, job.id)
    assert scene.visits == [*ALL, *ALL]
    assert running.running


def test_where_redis_comes_back_without_its_data_the_job_is_gone_and_the_worker_works_on(
    worker: Workers, forgetful_server: PrivateServer, scene: Scene
) -> None:
    queue, job, running = held_in_its_item(forgetful_server, worker, scene)
    forgetful_server.kill()
    forgetful_server.start()
    scene.release()
    running.wait_for_output("deleted at 'rows'")
    next_job = queue.enqueue(import_rows, str(scene.folder))
    wait_for_end(queue, next_job.id)
    assert scene.visits == [*ALL[: STOP + 1], *ALL]
    assert not queue.connection.exists(job.key)
    assert fields(job) == {}
    assert running.running


def test_a_worker_whose_horse_died_meanwhile_works_on_where_the_job_is_gone(
    worker: Workers, forgetful_server: PrivateServer, scene: Scene
) -> None:
    queue, job, running = held_in_its_item(forgetful_server, worker, scene)
    forgetful_server.kill()
    running.kill_horse()
    running.wait_for_output(WAITS)
    forgetful_server.start()
    next_job = queue.enqueue(import_rows, str(scene.folder))
    wait_for_end(queue, next_job.id)
    assert running.running
    assert not queue.connection.exists(job.key)


def test_a_worker_that_redis_has_forgotten_makes_itself_known_again(
    worker: Workers, forgetful_server: PrivateServer
) -> None:
    running = worker(url=forgetful_server.url, env={"RQ_STEPS_LEASE": "1"})
    running.wait_until_listening()
    forgetful_server.kill()
    forgetful_server.start()
    connection: Any = Redis.from_url(forgetful_server.url)
    wait_until(
        lambda: connection.hexists(f"rq:worker:{running.name}", "queues"), "the worker is unknown"
    )
    assert connection.scard("rq:workers") == 1


@pytest.mark.parametrize("worker_class", WORKERS)
def test_an_idle_worker_waits_for_redis_and_can_be_told_to_leave_meanwhile(
    worker: Workers, own_server: PrivateServer, worker_class: str
) -> None:
    running = worker(url=own_server.url, worker_class=worker_class)
    running.wait_until_listening()
    own_server.kill()
    running.wait_for_output("could not connect")
    running.terminate()
    assert running.wait() == 0


@pytest.mark.parametrize("worker_class", WORKERS)
@pytest.mark.parametrize("command", [b"EVALSHA", b"EXEC"])
def test_a_connection_that_breaks_in_the_middle_of_a_save_costs_nothing(
    worker: Workers, own_server: PrivateServer, scene: Scene, worker_class: str, command: bytes
) -> None:
    """The save has been made, and its answer is lost; or the end of the job has been."""
    queue = queue_on(own_server)
    job = queue.enqueue(import_rows, str(scene.folder), "hold")
    with LossyProxy(own_server.port) as proxy:
        running = worker(url=proxy.url, worker_class=worker_class)
        wait_for_item(scene)
        proxy.lose_answer_to(command)
        scene.release()
        wait_for_end(queue, job.id)
        assert proxy.lost == 1
    assert scene.visits == ALL
    assert running.running
    assert queue.failed_job_registry.count == 0

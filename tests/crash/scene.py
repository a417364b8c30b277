"""What other workers do to a job, and what is left when they are gone."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from rq import Queue
from rq.executions import Execution
from rq.job import Job

from rq_steps.books import open_executions
from rq_steps.lease import lease_key, seen_key
from rq_steps.store import Store
from tests.crash.jobs import Scene
from tests.redis.scene import Worker, import_rows
from tests.workers import WorkerProcess, wait_until

Arrange = Callable[[Callable[[], object]], None]


def before_it_reads_executions(monkeypatch: pytest.MonkeyPatch, room: ModuleType) -> Arrange:
    """Arranges for something to happen once, just before this room reads a job's executions."""

    def arrange(happening: Callable[[], object]) -> None:
        def late(job: Job) -> list[Execution]:
            monkeypatch.undo()
            happening()
            return open_executions(job)

        monkeypatch.setattr(room, "open_executions", late)

    return arrange


def lost_job(queue: Queue) -> Job:
    """As it stands when machine and all have died in its first step, long ago."""
    job = job_without_worker(queue)
    forget_for_long(job)
    return job


def job_without_worker(
    queue: Queue,
    max_resumptions: int | None = None,
    resume_queue: str | None = None,
    **options: Any,
) -> Job:
    """The same, just now."""
    job = queue.enqueue(import_rows, 10, **options)
    queue.remove(job)
    worker = Worker([queue], connection=queue.connection)
    worker.prepare_execution(job)
    worker.prepare_job_execution(job)
    store = Store(job, f"token of {job.id}", worker.key)
    record = store.claim().record
    record.max_resumptions = max_resumptions
    record.resume_queue = resume_queue
    store.save(record)
    return job


def forget_for_long(job: Job) -> None:
    job.connection.zadd(lease_key(job.origin, job.connection), {job.id: 1})


def pass_time_unbegun(queue: Queue, seconds: float = 3600) -> None:
    """Whatever has been seen was seen so much earlier."""
    key = seen_key(queue.intermediate_queue)
    seen: Any = queue.connection.hgetall(key)
    for job_id, mark in seen.items():
        since, enqueued = mark.decode().split(" ", 1)
        queue.connection.hset(key, job_id, f"{float(since) - seconds} {enqueued}")


def take(worker: Worker) -> tuple[Job, Queue]:
    """The next job, as the worker takes it from its queue."""
    taken = worker.dequeue_job_and_maintain_ttl(None)
    assert taken is not None
    return taken


def begin_elsewhere(queue: Queue) -> Worker:
    """Another worker takes the next job and begins it."""
    worker = Worker([queue], connection=queue.connection)
    job, _ = take(worker)
    worker.prepare_execution(job)
    worker.prepare_job_execution(job, remove_from_intermediate_queue=True)
    store = Store(job, "another", worker.key)
    store.save(store.claim().record)
    return worker


def shut_down_cold(running: WorkerProcess, scene: Scene) -> None:
    """Its job is in its item, which does not end; the worker is told so until it has understood:
    a second request within a second is taken for the first."""
    wait_until(lambda: scene.is_held, "the job has not come to its item")

    def is_told() -> bool:
        running.terminate()
        return "cold shut down" in running.output

    wait_until(is_told, "the worker does not understand")
    # One that was on its way may still find it, when Python has laid its handlers down.
    assert running.wait() in (0, -signal.SIGTERM)
    wait_until(lambda: not running.processes, "the horse stays")
    scene.release()

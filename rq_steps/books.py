"""RQ's books on the executions of a job, closed when nobody is left to do it.

A worker keeps its own: before RQ 3 it has but one execution, and its methods are not told which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rq.executions import Execution, ExecutionRegistry

if TYPE_CHECKING:
    from redis.client import Pipeline
    from rq.job import Job
    from rq.worker import BaseWorker

HEARTBEAT = 90.0
"""Seconds for which RQ believes that a job runs when nothing is heard of it: its own default."""


def registry_of(job: Job) -> ExecutionRegistry:
    """Where RQ keeps the ids of the job's executions."""
    return ExecutionRegistry(job.id, connection=job.connection)


def is_open(execution: Execution, job: Job) -> bool:
    """Has RQ not seen its end?"""
    key = job.started_job_registry.key
    return job.connection.zscore(key, execution.composite_key) is not None


def open_executions(job: Job) -> list[Execution]:
    """All that RQ has not seen the end of, even where they have expired: they are not fetched."""
    started = job.started_job_registry.get_job_and_execution_ids(cleanup=False)
    ids = {execution_id for job_id, execution_id in started if job_id == job.id}
    ids.update(registry_of(job).get_execution_ids())
    return [Execution(each, job.id, connection=job.connection) for each in sorted(ids)]


def close(executions: list[Execution], job: Job, worker_name: str, pipeline: Pipeline) -> None:
    """Else RQ's cleanup would come upon them, and fail a job that runs again."""
    for execution in executions:
        execution.worker_name = worker_name  # RQ 3 has an index by worker
        execution.delete(job=job, pipeline=pipeline)


def close_at_once(executions: list[Execution], job: Job, worker_name: str) -> None:
    """The same in a transaction of its own."""
    with job.connection.pipeline() as pipeline:
        close(executions, job, worker_name, pipeline)
        pipeline.execute()


def close_all_but(execution: Execution, job: Job) -> None:
    """Of a job that was canceled and put back, earlier executions may have died unseen."""
    others = [each for each in open_executions(job) if each.id != execution.id]
    if others:
        close_at_once(others, job, str(job.worker_name or ""))


def naming(execution: Execution | None, worker: BaseWorker) -> dict[str, Execution | None]:
    """How a worker's methods are told which execution they are about."""
    return {"execution": execution} if _has_many(worker) else {}


def held_by(worker: BaseWorker) -> list[Execution]:
    """The executions that the worker takes for its own."""
    if _has_many(worker):
        return list(worker.executions.values())
    return [worker.execution] if worker.execution else []


def hold(execution: Execution, worker: BaseWorker) -> None:
    """The worker has this execution again: it may have let go of it already."""
    if not _has_many(worker):
        worker.execution = execution


def let_go(execution: Execution, worker: BaseWorker) -> None:
    """The worker has this execution no more."""
    if _has_many(worker):
        worker.executions.pop(execution.id, None)
    else:
        worker.execution = None


def _has_many(worker: BaseWorker) -> bool:
    return hasattr(worker, "executions")

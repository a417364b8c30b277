"""An execution says that its job is alive: to our workers by its lease, to RQ by its books."""

from __future__ import annotations

from typing import Any

import pytest
from rq import Queue
from rq.job import Job, JobStatus

from rq_steps.books import open_executions
from rq_steps.lease import end_lease, has_lease, lease_key, vouch_for
from rq_steps.store import Store
from tests.crash.scene import lost_job
from tests.redis.scene import another_copy, claimed_by_another

LONG_AGO = 1.0
FAR_AHEAD = 10.0**11


@pytest.fixture
def job(queue: Queue) -> Job:
    """Its execution was to be heard of long ago."""
    return lost_job(queue)


def execution_of(job: Job) -> Store:
    return Store(job, f"token of {job.id}", "")


def lease_of(job: Job) -> float:
    """When our workers take the job for lost."""
    moment = job.connection.zscore(lease_key(job.origin, job.connection), job.id)
    assert isinstance(moment, float)
    return moment


def in_rqs_books(job: Job) -> dict[bytes, float]:
    """When RQ takes the job's execution for dead."""
    entries: Any = job.connection.zrange(job.started_job_registry.key, 0, -1, withscores=True)
    return dict(entries)


def write_in_rqs_books(job: Job, moment: float) -> None:
    entries = dict.fromkeys(in_rqs_books(job), moment)
    assert len(entries) == 1
    job.connection.zadd(job.started_job_registry.key, entries)


def test_an_execution_renews_its_lease(job: Job) -> None:
    assert lease_of(job) == LONG_AGO
    execution_of(job).renew()
    assert lease_of(job) > job.connection.time()[0]


def test_it_does_so_until_its_job_is_put_back(job: Job) -> None:
    """Also after its last save: its worker may die before it has written that."""
    store = execution_of(job)
    store.save(store.claim().record, release=True)
    job.connection.zadd(lease_key(job.origin, job.connection), {job.id: LONG_AGO})
    store.renew()
    assert lease_of(job) > job.connection.time()[0]


def test_one_that_was_superseded_renews_nothing(job: Job) -> None:
    write_in_rqs_books(job, LONG_AGO)
    claimed_by_another(job)
    before = lease_of(job)
    execution_of(job).renew()
    assert lease_of(job) == before
    assert list(in_rqs_books(job).values()) == [LONG_AGO]


def test_rq_is_told_too_since_the_worker_that_would_may_have_died(job: Job) -> None:
    write_in_rqs_books(job, LONG_AGO)
    execution_of(job).renew()
    [moment] = in_rqs_books(job).values()
    assert moment > job.connection.time()[0]


def test_a_longer_time_in_rqs_books_stays(job: Job) -> None:
    write_in_rqs_books(job, FAR_AHEAD)
    execution_of(job).renew()
    assert list(in_rqs_books(job).values()) == [FAR_AHEAD]


def test_what_is_closed_in_rqs_books_stays_closed(job: Job) -> None:
    job.connection.delete(job.started_job_registry.key)
    execution_of(job).renew()
    assert in_rqs_books(job) == {}


def end_lease_of(job: Job, worker_name: str) -> None:
    with job.connection.pipeline() as pipeline:
        end_lease(job, worker_name, pipeline)
        pipeline.execute()


def test_the_lease_ends_with_the_execution(job: Job) -> None:
    store = execution_of(job)
    store.save(store.claim().record, release=True)
    end_lease_of(job, str(another_copy(job).worker_name))
    assert not has_lease(job)


def test_a_renewal_that_was_on_its_way_takes_no_lease_anew(job: Job) -> None:
    """On RQ's own workers the job is started yet, and a callback may take long."""
    store = execution_of(job)
    store.save(store.claim().record, release=True)
    end_lease_of(job, str(another_copy(job).worker_name))
    store.renew()
    assert not has_lease(job)


def test_a_worker_that_comes_late_does_not_end_the_lease_of_an_execution_that_runs(
    job: Job,
) -> None:
    """Also where somebody's stale save() has set the job back."""
    job.set_status(JobStatus.QUEUED)
    end_lease_of(job, "late")
    assert has_lease(job)


def vouch(job: Job, queue: Queue, worker_name: str) -> None:
    [execution] = open_executions(job)
    vouch_for(job, queue, execution, worker_name)


def test_a_worker_vouches_for_the_job_that_runs_under_it(job: Job, queue: Queue) -> None:
    vouch(job, queue, str(another_copy(job).worker_name))
    assert lease_of(job) > job.connection.time()[0]


def test_a_worker_does_not_vouch_for_a_job_that_runs_under_another(job: Job, queue: Queue) -> None:
    vouch(job, queue, "another")
    assert lease_of(job) == LONG_AGO


def test_a_worker_does_not_vouch_for_a_job_that_was_put_back(job: Job, queue: Queue) -> None:
    name = str(another_copy(job).worker_name)
    job.set_status(JobStatus.QUEUED)
    vouch(job, queue, name)
    assert lease_of(job) == LONG_AGO


def test_a_worker_that_vouches_gives_no_lease_to_a_job_that_has_none(
    job: Job, queue: Queue
) -> None:
    """A plain job is RQ's to look after."""
    job.connection.delete(lease_key(job.origin, job.connection))
    vouch(job, queue, str(another_copy(job).worker_name))
    assert not has_lease(job)

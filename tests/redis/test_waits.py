"""`resume_wait`, `error_wait` and waits of the user's own end without RQ's scheduler."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job
from rq.registry import ScheduledJobRegistry
from rq.scheduler import RQScheduler
from rq.serializers import JSONSerializer

from rq_steps import Step, continuable, step
from rq_steps.promotion import promote_due
from tests.redis.scene import (
    WHILE_PUTTING_BACK,
    another_copy,
    fail_at,
    is_waiting,
    once_at,
    pass_time,
    rows,
    stop,
    visit,
    visits,
    wait_of,
    work,
)


@continuable(save_every=0, resume_wait=60, error_wait=30)
def import_patiently(count: int) -> None:
    rows(count)


@continuable(save_every=0, resume_wait=60, error_wait=30, resume_queue="other")
def import_elsewhere(count: int) -> None:
    rows(count)


def other_job() -> None:
    visit("other job")


def interrupted(queue: Queue, **options: Any) -> Job:
    """A job that waits: it has visited rows 0 and 1 of 4."""
    job = queue.enqueue(import_patiently, 4, **options)
    once_at(1, stop)
    work(queue.connection, queue.name)
    assert is_waiting(job)
    return job


def traces_of_waiting(connection: Redis) -> list[bytes]:
    """Keys of ours outside the jobs' own."""
    return [key for key in connection.scan_iter("*rq_steps*") if b":job:" not in key]


@contextmanager
def scheduler_of(queue: Queue) -> Iterator[RQScheduler]:
    """RQ's scheduler holds its lock for the queue."""
    scheduler = RQScheduler([queue], connection=queue.connection)
    scheduler.acquire_locks()
    if hasattr(scheduler, "register_birth"):  # since RQ 2.11
        scheduler.register_birth()
    assert queue.scheduler_pid
    yield scheduler
    scheduler.release_locks()


def test_an_interrupted_job_waits_for_resume_wait_on_the_clock_of_redis(queue: Queue) -> None:
    job = interrupted(queue)
    assert 50 < wait_of(job, queue) <= 60
    assert queue.is_empty()


def test_a_job_is_resumed_after_its_wait_without_a_scheduler(
    connection: Redis, queue: Queue
) -> None:
    job = interrupted(queue)
    work(connection)
    assert visits == [0, 1]
    pass_time(queue)
    work(connection)
    assert visits == [0, 1, 2, 3]
    assert job.is_finished


@step
def throttled(step: Step, count: int, wait: float) -> None:
    for row in step.each(range(count)):
        visit(row)
        if row == 1 and not step.resumed:
            step.interrupt(wait=wait)


@continuable
def import_throttled(count: int, wait: float = 0.05) -> None:
    throttled(count, wait)


def test_an_idle_worker_wakes_up_for_a_wait_that_is_over(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(import_throttled, 3)
    work(connection, executions=2, burst=False)
    assert visits == [0, 1, 1, 2]
    assert job.is_finished


def test_a_wait_may_be_a_fraction_of_a_second(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(import_throttled, 3)
    work(connection, executions=1)
    assert wait_of(job, queue) <= 0.05
    score = connection.zscore(ScheduledJobRegistry(queue=queue).key, job.id)
    assert isinstance(score, float)
    assert not score.is_integer()


def test_a_job_resumed_after_an_error_waits_for_error_wait(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(import_patiently, 4)
    fail_at(1)
    work(connection)
    assert is_waiting(job)
    assert 20 < wait_of(job, queue) <= 30
    pass_time(queue)
    work(connection)
    assert job.is_finished
    assert visits == [0, 1, 1, 2, 3]


# Exactly once


def test_a_wait_that_is_over_ends_exactly_once_though_several_workers_look_at_the_same_time(
    connection: Redis, redis_url: str, queue: Queue
) -> None:
    jobs = [queue.enqueue(import_throttled, 3, wait=60).id for _ in range(20)]
    work(connection, executions=20)
    pass_time(queue)
    workers = 8
    together = threading.Barrier(workers)

    def look() -> int:
        with Redis.from_url(redis_url) as own_connection:
            own_queue = Queue(connection=own_connection)
            own_connection.ping()
            together.wait(30)
            return promote_due([own_queue])

    with ThreadPoolExecutor(workers) as pool:
        looks = [pool.submit(look) for _ in range(workers)]
    assert sum(each.result() for each in looks) == 20
    assert sorted(queue.job_ids) == sorted(jobs)
    assert queue.scheduled_job_registry.count == 0


def test_a_wait_that_is_not_over_is_left_alone(queue: Queue) -> None:
    job = interrupted(queue)
    assert promote_due([queue]) == 0
    assert is_waiting(job)


def test_a_job_that_cannot_be_read_does_not_keep_others_waiting(
    queue: Queue, connection: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """It has a status that this RQ does not know."""
    unknown, other = interrupted(queue), interrupted(queue)
    connection.hset(unknown.key, "status", "of another RQ")
    pass_time(queue)
    assert promote_due([queue]) == 1
    assert queue.job_ids == [other.id]
    assert f"Job {unknown.id}: cannot be put back" in caplog.messages


def test_several_queues_are_looked_at_in_one_go(connection: Redis) -> None:
    queues = [Queue(name, connection=connection) for name in ("a", "b", "c")]
    waiting = [interrupted(queues[0]), interrupted(queues[2])]
    for queue in queues:
        pass_time(queue)
    assert promote_due(queues) == 2
    assert [queue.job_ids for queue in queues] == [[waiting[0].id], [], [waiting[1].id]]
    assert promote_due([]) == 0


def test_a_job_that_waits_is_seen_behind_any_number_of_jobs_that_others_have_scheduled(
    connection: Redis, queue: Queue
) -> None:
    long_ago = datetime.now(timezone.utc) - timedelta(days=1)
    for _ in range(150):
        queue.enqueue_at(long_ago, other_job)
    job = interrupted(queue)
    pass_time(queue, seconds=61)
    assert promote_due([queue]) == 1
    assert queue.job_ids == [job.id]
    assert queue.scheduled_job_registry.count == 150


# Where it comes back


@step
def first_part() -> None:
    visit("first part")


@step(isolated=True)
def isolated_part() -> None:
    visit("isolated part")


@step
def endless(step: Step) -> None:
    visit("endless")
    while True:
        step.advance(from_=0)


@continuable(resume_wait=60)
def import_in_parts() -> None:
    first_part()
    isolated_part()


@continuable(resume_wait=60, max_runtime=0.05)
def import_endlessly() -> None:
    endless()


@continuable(resume_wait=60)
def import_until_the_timeout() -> None:
    endless()


def begin_and_stop(queue: Queue) -> Job:
    job = queue.enqueue(import_patiently, 4)
    once_at(1, stop)
    return job


def begin_and_fail(queue: Queue) -> Job:
    job = queue.enqueue(import_patiently, 4)
    fail_at(1)
    return job


def begin_isolated(queue: Queue) -> Job:
    return queue.enqueue(import_in_parts)


def begin_endless(queue: Queue) -> Job:
    return queue.enqueue(import_endlessly, job_timeout=10)


def begin_until_the_timeout(queue: Queue) -> Job:
    return queue.enqueue(import_until_the_timeout, job_timeout=1)


def begin_throttled(queue: Queue) -> Job:
    return queue.enqueue(import_throttled, 4)


@pytest.mark.parametrize(
    ("begin", "at_front"),
    [
        (begin_and_stop, True),
        (begin_isolated, True),
        (begin_endless, False),
        (begin_until_the_timeout, False),
        (begin_and_fail, False),
        (begin_throttled, False),
    ],
)
def test_after_its_wait_a_job_comes_back_at_the_front_or_the_back_as_its_reason_says(
    connection: Redis, queue: Queue, begin: Callable[[Queue], Job], at_front: bool
) -> None:
    job = begin(queue)
    work(connection, executions=1)
    assert is_waiting(job)
    other = queue.enqueue(other_job)
    pass_time(queue)
    assert promote_due([queue]) == 1
    assert queue.job_ids == ([job.id, other.id] if at_front else [other.id, job.id])


def test_a_job_waits_for_and_comes_back_to_the_queue_of_resume_queue(connection: Redis) -> None:
    first, other = Queue("first", connection=connection), Queue("other", connection=connection)
    job = first.enqueue(import_elsewhere, 4)
    once_at(1, stop)
    work(connection, "first")
    assert another_copy(job).origin == "other"
    assert ScheduledJobRegistry(queue=other).get_job_ids() == [job.id]
    assert ScheduledJobRegistry(queue=first).count == 0
    pass_time(other)
    assert promote_due([first]) == 0
    assert promote_due([other]) == 1
    work(connection, "other")
    assert another_copy(job).is_finished
    assert visits == [0, 1, 2, 3]


# What others do meanwhile


@pytest.mark.parametrize("lose", [Job.cancel, Job.delete])
def test_a_job_canceled_or_deleted_while_it_waits_does_not_come_back(
    connection: Redis, queue: Queue, lose: Callable[[Job], None]
) -> None:
    job = interrupted(queue)
    lose(another_copy(job))
    for due in (False, True):
        if due:
            pass_time(queue)
        work(connection)
    assert visits == [0, 1]
    assert queue.is_empty()
    assert traces_of_waiting(connection) == []


def test_a_job_enqueued_by_hand_while_it_waits_runs_at_once_and_only_once(
    connection: Redis, queue: Queue
) -> None:
    job = interrupted(queue)
    queue.enqueue_job(another_copy(job))
    work(connection)
    assert job.is_finished
    pass_time(queue)
    work(connection)
    assert visits == [0, 1, 2, 3]
    assert traces_of_waiting(connection) == []


def test_a_job_scheduled_anew_by_somebody_is_not_promoted_before_their_time(
    connection: Redis, queue: Queue
) -> None:
    job = interrupted(queue)
    another_copy(job).cancel()
    tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
    queue.enqueue_at(tomorrow, other_job, job_id=job.id)
    pass_time(queue, seconds=3600)
    assert promote_due([queue]) == 0
    assert is_waiting(job)
    assert traces_of_waiting(connection) == []


def test_a_job_scheduled_by_somebody_is_left_to_a_scheduler(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue_at(datetime.now(timezone.utc) - timedelta(days=1), import_patiently, 4)
    work(connection)
    assert is_waiting(job)
    assert visits == []


def test_what_somebody_writes_to_the_job_while_it_waits_survives(
    connection: Redis, queue: Queue
) -> None:
    job = interrupted(queue, meta={"before": 1})
    copy = another_copy(job)
    copy.meta["while waiting"] = 2
    copy.description = "theirs"
    copy.save()
    pass_time(queue)
    work(connection)
    copy = another_copy(job)
    assert copy.description == "theirs"
    assert copy.meta.items() >= {"before": 1, "while waiting": 2}.items()


# RQ's scheduler


def test_where_a_scheduler_runs_a_wait_is_left_to_it(connection: Redis, queue: Queue) -> None:
    job = interrupted(queue)
    pass_time(queue)
    with scheduler_of(queue) as scheduler:
        assert promote_due([queue]) == 0
        assert is_waiting(job)
        scheduler.enqueue_scheduled_jobs()
        assert queue.job_ids == [job.id]
        work(connection)
    assert job.is_finished
    assert visits == [0, 1, 2, 3]


def test_when_the_scheduler_is_gone_a_wait_ends_without_it(queue: Queue) -> None:
    job = interrupted(queue)
    pass_time(queue)
    with scheduler_of(queue):
        assert promote_due([queue]) == 0
    assert promote_due([queue]) == 1
    assert queue.job_ids == [job.id]


def test_a_wait_that_a_scheduler_has_ended_leaves_nothing_behind(
    connection: Redis, queue: Queue
) -> None:
    interrupted(queue)
    pass_time(queue)
    with scheduler_of(queue) as scheduler:
        scheduler.enqueue_scheduled_jobs()
        work(connection)
        assert traces_of_waiting(connection) == []


# What the job keeps


def keys_that_expire(job: Job) -> list[str]:
    keys = [job.key, job.dependents_key, job.dependencies_key]
    return [key for key in keys if job.connection.ttl(key) != -1 and job.connection.exists(key)]


def test_neither_a_job_that_has_waited_nor_its_dependents_expire(
    connection: Redis, queue: Queue
) -> None:
    before = queue.enqueue(other_job)
    job = queue.enqueue(import_patiently, 4, ttl=100, depends_on=before)
    dependent = queue.enqueue(other_job, depends_on=job)
    once_at(1, stop)
    work(connection)
    assert keys_that_expire(job) == []
    pass_time(queue)
    assert promote_due([queue]) == 1
    assert keys_that_expire(job) == []
    work(connection)
    assert dependent.is_finished


def test_a_wait_of_a_job_with_another_serializer_ends_too(connection: Redis) -> None:
    queue = Queue(connection=connection, serializer=JSONSerializer)
    job = queue.enqueue(import_patiently, 4, meta={"note": "ä"})
    once_at(1, stop)
    work(connection, serializer=JSONSerializer)
    pass_time(queue)
    work(connection, serializer=JSONSerializer)
    assert job.get_status() == "finished"
    assert another_copy(job).meta["note"] == "ä"


def test_a_wait_leaves_nothing_behind(connection: Redis, queue: Queue) -> None:
    interrupted(queue)
    assert traces_of_waiting(connection)
    pass_time(queue)
    work(connection)
    assert traces_of_waiting(connection) == []
    assert queue.scheduled_job_registry.count == 0


def test_a_write_of_somebody_else_while_a_job_moves_to_another_queue_leaves_no_execution_behind(
    connection: Redis,
) -> None:
    """The transaction that puts it back is tried again then."""
    first = Queue("first", connection=connection)
    job = first.enqueue(import_elsewhere, 4)
    once_at(1, stop)
    once_at(WHILE_PUTTING_BACK, lambda: another_copy(job).save_meta())
    work(connection, "first")
    assert is_waiting(job)
    assert first.started_job_registry.get_job_ids(cleanup=False) == []
    assert job.get_executions() == []

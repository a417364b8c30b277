"""The record as it lies in the job's hash, for everybody who looks there."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from redis import Redis
from rq import Queue
from rq.job import JobStatus

from rq_steps import Step, continuable, step
from rq_steps.record import Completed, Record
from rq_steps.store import Store
from tests.redis.scene import (
    another_copy,
    completed,
    cursor,
    fail_at,
    failure,
    fields,
    head,
    import_rows,
    is_waiting,
    once_at,
    rows,
    stop,
    visit,
    visits,
    work,
)


def test_the_record_is_the_head_and_a_field_a_completed_step(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_rows, 3)
    once_at("report", stop)
    work(connection)
    assert set(fields(job)) == {"rq_steps", "rq_steps:claim", "rq_steps:1", "rq_steps:2"}
    assert completed(job) == [
        {"name": "rows", "result": 3},
        {"name": "report", "result": "3 rows"},
    ]


def test_the_head_tells_version_step_cursor_and_counters(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(import_rows, 5)
    once_at(2, stop)
    work(connection)
    record = head(job)
    assert record.pop("runtime") > 0
    assert record == {
        "version": 1,
        "completed": 0,
        "run": {"created_at": record["run"]["created_at"], "repeats_left": None},
        "current": {
            "name": "rows",
            "cursor": 3,
            "source": {"kind": "sequence", "length": 5},
        },
        "executions": 1,
        "resumptions": 1,
        "errors": 0,
        "deaths": 0,
        "died_at": None,
        "max_resumptions": None,
        "resume_queue": None,
        "fruitless": 0,
        "finished": False,
        "front": True,
        "last_result": None,
        "error": None,
    }


@step(start=date(2024, 2, 28))
def days(step: Step) -> bytes:
    while step.cursor < date(2024, 3, 2):
        visit(step.cursor)
        step.advance()
    return b"\x00"


@continuable(save_every=0)
def go_through_days() -> None:
    days()


def test_all_fields_are_text_that_a_human_can_read_whatever_the_values(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(go_through_days)
    once_at(date(2024, 3, 1), stop)
    work(connection)
    assert cursor(job) == {"$date": "2024-03-02"}
    work(connection)
    assert completed(job) == [{"name": "days", "result": {"$bytes": "AA=="}}]
    assert all(text.isascii() and "\n" not in text for text in fields(job).values())


def test_the_fields_can_be_read_without_the_code_that_wrote_them(
    connection: Redis, redis_url: str, queue: Queue
) -> None:
    """Anybody may ask Redis itself: a script, a shell, another language."""
    job = queue.enqueue(import_rows, 3)
    work(connection)
    with Redis.from_url(redis_url, decode_responses=True) as plain_client:
        stored: Any = plain_client.hmget(job.key, "rq_steps", "rq_steps:1")
    assert json.loads(stored[0])["completed"] == 2
    assert json.loads(stored[1]) == {"name": "rows", "result": 3}


# Written once


@step
def one_of_many(number: int) -> int:
    visit(number)
    return number


@continuable(save_every=0, error_wait=0)
def do_many(count: int) -> None:
    for number in range(1, count + 1):
        one_of_many.with_options(name=f"step {number}")(number)


def test_a_completed_step_is_written_once(connection: Redis, queue: Queue) -> None:
    """What somebody writes in its place stands to the end: nobody writes it again."""
    job = queue.enqueue(do_many, 6)
    marked = '{"name":"step 1","result":"marked"}'
    once_at(2, lambda: connection.hset(job.key, "rq_steps:1", marked))
    once_at(4, stop)
    work(connection)
    fail_at(6)
    work(connection)
    assert job.is_finished
    assert visits == [1, 2, 3, 4, 5, 6, 6]
    assert fields(job)["rq_steps:1"] == marked
    assert [done["name"] for done in completed(job)] == [f"step {n}" for n in range(1, 7)]


def test_a_completed_step_is_saved_at_once(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(do_rarely_saved, 3)
    seen: list[int] = []
    for number in (1, 2, 3):
        once_at(number, lambda: seen.append(head(job)["completed"]))
    work(connection)
    assert seen == [0, 1, 2]


@continuable(save_every=3600)
def do_rarely_saved(count: int) -> None:
    for number in range(1, count + 1):
        one_of_many.with_options(name=f"step {number}")(number)


def bytes_received(connection: Redis) -> int:
    stats: Any = connection.info("stats")
    return int(stats["total_net_input_bytes"])


def size_of_save(connection: Redis, store: Store, record: Record, number: int) -> int:
    """Complete one more step, and save: how many bytes that sends."""
    record.completed.append(Completed(f"step {number:05}", number))
    bytes_received(connection)
    before = bytes_received(connection)
    of_asking = bytes_received(connection) - before
    before = bytes_received(connection)
    assert store.save(record).saved
    return bytes_received(connection) - before - of_asking


def test_the_save_of_the_ten_thousandth_step_is_of_the_size_of_the_tenth(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_rows, 1)
    queue.remove(job)
    job.set_status(JobStatus.STARTED)
    store = Store(job, "ours", "")
    record = store.claim().record
    store.save(record)
    sizes = [size_of_save(connection, store, record, number) for number in range(1, 11)]
    record.completed += [Completed(f"step {number:05}", number) for number in range(11, 10_000)]
    store.save(record)
    of_the_last = size_of_save(connection, store, record, 10_000)
    more_digits = 20
    assert 100 < sizes[-1] <= of_the_last <= sizes[-1] + more_digits
    assert head(job)["completed"] == 10_000


def test_ten_thousand_completed_steps_are_read_back_in_order(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_rows, 1)
    queue.remove(job)
    job.set_status(JobStatus.STARTED)
    store = Store(job, "ours", "")
    record = store.claim().record
    record.completed += [Completed(f"step {number}", number) for number in range(12_345)]
    store.save(record)
    assert Store(job, "another", "").claim().record.completed == record.completed


# The job's life


def test_the_record_expires_with_the_job(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(import_rows, 3, result_ttl=100)
    work(connection)
    assert "rq_steps" in fields(job)
    assert 0 < connection.ttl(job.key) <= 100


def test_the_record_of_a_failed_job_expires_with_it(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(import_rows, 3, failure_ttl=100)
    fail_at(0)
    work(connection)
    assert "rq_steps" in fields(job)
    assert 0 < connection.ttl(job.key) <= 100


def go_on() -> None:
    pass


def raise_an_error() -> None:
    raise RuntimeError("out of order")


@pytest.mark.parametrize("end", [go_on, raise_an_error, stop])
def test_nothing_is_left_of_a_job_that_is_deleted(
    connection: Redis, queue: Queue, end: Callable[[], None]
) -> None:
    job = queue.enqueue(import_rows, 3)
    once_at(1, end)
    work(connection)
    another_copy(job).delete()
    assert list(connection.scan_iter("*rq_steps*")) == []
    left: list[bytes] = list(connection.scan_iter(f"*{job.id}*"))
    assert [key for key in left if not key.startswith(b"rq:results:")] == []  # RQ's, before RQ 3


def test_nothing_is_left_of_a_finished_job_without_a_result_ttl(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_rows, 3, result_ttl=0)
    work(connection)
    assert list(connection.scan_iter(f"*{job.id}*")) == []


def test_a_job_that_is_continued_makes_no_keys_of_its_own(connection: Redis, queue: Queue) -> None:
    """Beside what RQ itself keeps of a job that runs straight through."""

    def keys_after(function: Callable[[int], object], executions: int) -> set[str]:
        connection.flushall()
        job = queue.enqueue(function, 3, job_id="a")
        for _ in range(executions):
            work(connection, executions=1, name="one")
        assert job.is_finished
        return {key.decode() for key in connection.scan_iter()}

    once_at(0, stop)
    fail_at(2)
    assert keys_after(import_rows, 3) == keys_after(plain_rows, 1)


def plain_rows(count: int) -> None:
    for row in range(count):
        visit(row)


# Versions


def test_a_record_of_a_newer_version_is_kept_and_its_job_waits(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_rows, 5)
    once_at(2, stop)
    work(connection)
    newer = json.dumps(head(job) | {"version": 2, "something new": 1})
    connection.hset(job.key, "rq_steps", newer)
    work(connection)
    assert visits == [0, 1, 2]
    assert is_waiting(job)
    assert fields(job)["rq_steps"] == newer


def test_a_record_without_a_field_that_came_later_is_read(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(import_rows, 5)
    once_at(2, stop)
    work(connection)
    older = head(job)
    del older["fruitless"], older["front"]
    connection.hset(job.key, "rq_steps", json.dumps(older))
    work(connection)
    assert job.is_finished
    assert visits == [0, 1, 2, 3, 4, "report"]


def test_the_record_is_kept_as_it_was_when_the_code_does_not_fit_it(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(change_steps, "before")
    once_at("before", stop)
    work(connection)
    before = completed(job), head(job)["current"]
    connection.hset(job.key, "data", queue.create_job(change_steps, ("after",)).to_dict()["data"])
    work(connection)
    assert "InvalidStepError" in failure(job)
    assert (completed(job), head(job)["current"]) == before


@continuable(save_every=0)
def change_steps(name: str) -> None:
    """The code has changed between two executions where its argument has."""
    rows(1)
    named.with_options(name=name)(name)
    rows.with_options(name="rows again")(1)


@step
def named(step: Step, name: str) -> None:
    step.set(1)
    visit(name)
    step.checkpoint()

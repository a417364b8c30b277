"""Errors and limits: what is resumed, when, how often, and what is RQ's to handle."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from datetime import timedelta
from itertools import pairwise
from time import monotonic
from typing import Any

import pytest
from redis import Redis
from rq import Callback, Queue, Retry
from rq.job import Job

from rq_steps import (
    InvalidStepError,
    Step,
    StepsError,
    UnserializableError,
    continuable,
    step,
)
from rq_steps.conclusion import LONGEST_TRACEBACK
from rq_steps.events import Errored, Event, Interrupted
from rq_steps.store import Answer, Store
from tests.redis.scene import (
    StockWorker,
    another_copy,
    completed,
    cursor,
    fail_at,
    failure,
    happen,
    head,
    is_waiting,
    once_at,
    pass_time,
    report,
    rows,
    shown,
    stop,
    visit,
    visits,
    wait_of,
    work,
)


@continuable(error_wait=0)
def import_rows(count: int) -> str:
    return report(rows(count))


@continuable
def import_by_default(count: int) -> str:
    return report(rows(count))


def note_failure(job: Job, connection: Redis, *_error: Any) -> None:
    visit("failure callback")


def failed_count(connection: Redis) -> int:
    """How many executions have failed, in the books of the worker `one`."""
    return int(connection.hget("rq:worker:one", "failed_job_count") or 0)


# Resumed


@pytest.mark.parametrize("place", [3, "report"])
def test_an_error_after_the_cursor_moved_or_a_step_completed_is_resumed(
    connection: Redis, queue: Queue, place: object
) -> None:
    job = queue.enqueue(import_rows, 4)
    fail_at(place)
    work(connection)
    assert job.is_finished
    before = [0, 1, 2, 3, "report"]
    again = before.index(place)
    assert visits == before[: again + 1] + before[again:]


def between_the_steps() -> None:
    visit("between the steps")


@continuable(error_wait=0)
def import_with_code_outside(count: int) -> None:
    rows(count)
    between_the_steps()


def test_an_error_in_code_outside_the_steps_is_resumed_too(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(import_with_code_outside, 2)
    fail_at("between the steps")
    work(connection)
    assert job.is_finished
    assert visits == [0, 1, "between the steps", "between the steps"]


class Dumb(Exception):
    """It cannot be told."""

    def __str__(self) -> str:
        raise LookupError("no message")


class Collecting(Exception):
    """It is no group, and has something that is called as that of a group."""

    def exceptions(self) -> list[str]:
        return []


@pytest.mark.parametrize("kind", [Dumb, Collecting])
def test_an_error_of_an_odd_class_is_resumed_too(
    connection: Redis, queue: Queue, kind: type[Exception]
) -> None:
    job = queue.enqueue(import_rows, 2)
    fail_at("report", kind())
    work(connection)
    assert job.is_finished
    assert kind.__name__ in head(job)["error"]


def test_an_error_that_is_resumed_is_no_failure(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(import_rows, 4, on_failure=Callback(note_failure), retry=Retry(max=1))
    fail_at(3)
    work(connection, executions=1, name="one")
    assert job.get_status() == "queued"
    assert failed_count(connection) == 0
    assert queue.failed_job_registry.count == 0
    assert another_copy(job).retries_left == 1
    assert job.latest_result() is None
    assert visits == [0, 1, 2, 3]


def test_a_job_resumed_after_an_error_goes_to_the_back_of_its_queue(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_rows, 4)
    fail_at(3)
    others = [queue.enqueue(import_rows, 1).id for _ in range(2)]
    work(connection, executions=1)
    assert queue.job_ids == [*others, job.id]


@continuable(error_wait=[1, timedelta(seconds=10), 100.5])
def waiting_longer_and_longer() -> None:
    rows(20)


def test_errors_are_counted_anew_in_the_next_run(
    connection: Redis, queue: Queue, events: list[Event]
) -> None:
    for _ in range(2):
        queue.enqueue(waiting_longer_and_longer, job_id="daily")
        fail_at(2)
        work(connection)
    assert [event.wait for event in events if isinstance(event, Errored)] == [1, 1]


def test_an_error_on_a_stock_worker_is_resumed_too(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(import_rows, 4)
    fail_at(3)
    work(connection, worker_class=StockWorker)
    assert job.is_finished
    assert visits == [0, 1, 2, 3, 3, "report"]


# Not resumed


def test_an_error_before_the_execution_has_advanced_is_rqs_to_handle(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_rows, 4, on_failure=Callback(note_failure))
    fail_at(0)
    work(connection, name="one")
    assert failure(job) == "RuntimeError: out of order at 0"
    assert queue.failed_job_registry.get_job_ids() == [job.id]
    assert failed_count(connection) == 1
    assert visits == [0, "failure callback"]


def test_an_error_before_the_execution_has_advanced_uses_up_a_retry_of_rqs(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_rows, 4, retry=Retry(max=3))
    fail_at(0)
    work(connection)
    assert job.is_finished
    assert another_copy(job).retries_left == 2
    assert visits == [0, 0, 1, 2, 3, "report"]


def test_an_execution_has_advanced_only_by_what_it_has_done_itself(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_rows, 4)
    fail_at(2)
    work(connection, executions=1)
    fail_at(2)
    work(connection)
    assert failure(job) == "RuntimeError: out of order at 2"


@step
def set_and_set_back(step: Step) -> None:
    step.set(1)
    step.set(None)
    visit("there")


@continuable(error_wait=0)
def go_nowhere() -> None:
    set_and_set_back()


def test_a_cursor_that_is_where_it_was_has_not_advanced(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(go_nowhere)
    fail_at("there")
    work(connection)
    assert job.is_failed


@continuable(save_every=3600, resume_errors=False, error_wait=0)
def never_resuming_errors(count: int) -> str:
    return report(rows(count))


def test_without_resume_errors_an_error_is_rqs_to_handle(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(never_resuming_errors, 4)
    fail_at(3)
    work(connection)
    assert failure(job) == "RuntimeError: out of order at 3"
    assert visits == [0, 1, 2, 3]


def test_a_failed_job_keeps_its_progress(connection: Redis, queue: Queue) -> None:
    """It was saved last when the step began: the failure saves it once more."""
    job = queue.enqueue(never_resuming_errors, 4)
    fail_at(3)
    work(connection)
    assert cursor(job) == shown(job)["cursor"] == 3


@pytest.mark.parametrize(
    "error",
    [
        StepsError("no"),
        InvalidStepError("no"),
        UnserializableError("no"),
        SystemExit(3),
        KeyboardInterrupt(),
    ],
)
def test_neither_a_steps_error_nor_what_is_no_exception_is_resumed_though_the_job_advanced(
    connection: Redis, queue: Queue, error: BaseException
) -> None:
    job = queue.enqueue(import_rows, 4)
    fail_at(3, error)
    work(connection)
    assert type(error).__name__ in failure(job)
    assert cursor(job) == 3
    assert visits == [0, 1, 2, 3]


@step
def set_a_lock(step: Step) -> None:
    step.set(1)
    step.set(threading.Lock())


@continuable(error_wait=0)
def set_what_cannot_be_saved() -> None:
    set_a_lock()


def test_a_steps_error_of_our_own_fails_the_job_with_its_record_kept(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(set_what_cannot_be_saved)
    work(connection)
    assert "UnserializableError: cursor of step 'set_a_lock'" in failure(job)
    assert cursor(job) == 1


@step
def wrongly_called() -> None:
    rows.with_options(name="rows in a step")(1)


@step
async def wrongly_awaited() -> None:
    wrongly_called()


@continuable(error_wait=0)
def in_no_group() -> None:
    rows(2)
    wrongly_called()


@continuable(error_wait=0)
async def in_a_group() -> None:
    rows(2)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(wrongly_awaited())


@continuable(error_wait=0)
async def in_a_group_in_a_group() -> None:
    rows(2)
    async with asyncio.TaskGroup(), asyncio.TaskGroup() as tasks:
        tasks.create_task(wrongly_awaited())


IN_GROUPS = [in_a_group, in_a_group_in_a_group] if sys.version_info >= (3, 11) else []


@pytest.mark.parametrize("function", [in_no_group, *IN_GROUPS])
def test_a_steps_error_is_not_resumed_whatever_group_it_is_in(
    connection: Redis, queue: Queue, function: Callable[[], object]
) -> None:
    job = queue.enqueue(function)
    work(connection)
    assert job.is_failed
    assert visits == [0, 1]
    assert head(job)["executions"] == 1


# Sources that fail


class Rows:
    """A cursor of a database, which has lost its connection behind the second row."""

    def __init__(self) -> None:
        self.row = -1

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        self.row += 1
        happen(("fetch", self.row))
        if self.row == 4:
            raise StopIteration
        return self.row


def rows_by_a_generator() -> Iterator[int]:
    yield from Rows()


@step
def fetched(step: Step, source: Callable[[], Iterable[int]]) -> None:
    for row in step.each(source()):
        visit(row)


@continuable(error_wait=0, save_every=3600)
def fetch(source: Callable[[], Iterable[int]]) -> None:
    fetched(source)


@continuable(error_wait=0, save_every=0)
def fetch_saving_all(source: Callable[[], Iterable[int]]) -> None:
    fetched(source)


def rows_mapped() -> Iterable[int]:
    return map(int, Rows())


@pytest.mark.parametrize("function", [fetch, fetch_saving_all])
@pytest.mark.parametrize("source", [Rows, rows_mapped, rows_by_a_generator])
def test_an_error_of_the_source_repeats_no_item_that_was_done_before_it(
    connection: Redis,
    queue: Queue,
    function: Callable[..., None],
    source: Callable[[], Iterable[int]],
) -> None:
    job = queue.enqueue(function, source)
    fail_at(("fetch", 1), ConnectionError("the database went away"))
    work(connection)
    assert job.is_finished
    assert visits == [0, 1, 2, 3]


# Async steps


@step
async def awaited() -> None:
    visit("awaited")


called: list[Coroutine[Any, Any, None]] = []


@continuable(error_wait=0)
def call_without_awaiting() -> None:
    rows(2)
    called.append(awaited())


def test_an_async_step_that_is_called_and_not_awaited_fails_the_job_at_its_end(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(call_without_awaiting)
    work(connection)
    called.pop().close()
    assert failure(job) == (
        "rq_steps.errors.InvalidStepError: "
        "step 'awaited' was called and not awaited: it has not run"
    )
    assert visits == [0, 1]


# The job timeout


def let_the_timeout_come() -> None:
    """RQ's alarm is set for a second at least: it comes at once. The item hangs until then."""
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    threading.Event().wait(60)


def test_a_job_timeout_inside_an_item_is_an_error_like_any_other(
    connection: Redis, queue: Queue, events: list[Event]
) -> None:
    job = queue.enqueue(import_rows, 4)
    once_at(3, let_the_timeout_come)
    work(connection)
    assert job.is_finished
    assert visits == [0, 1, 2, 3, 3, "report"]
    errors = [event for event in events if isinstance(event, Errored)]
    assert [type(event.exception).__name__ for event in errors] == ["JobTimeoutException"]


def test_a_job_timeout_inside_the_first_item_fails_the_job(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(import_rows, 4)
    once_at(0, let_the_timeout_come)
    work(connection)
    assert "JobTimeoutException" in failure(job)


# What is told


def test_the_traceback_of_an_error_that_is_resumed_is_logged_at_error_with_exc_info(
    connection: Redis, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    job = queue.enqueue(import_rows, 4)
    error = RuntimeError("the disk is full")
    fail_at(3, error)
    work(connection)
    lines = [line for line in caplog.records if line.levelno >= logging.ERROR]
    assert [line.name for line in lines] == ["rq_steps"]
    assert lines[0].exc_info is not None
    assert lines[0].exc_info[1] is error
    message = lines[0].getMessage()
    assert message == (
        f"Job {job.id}: RuntimeError at 'rows', cursor 3, resumes in 0 s: the disk is full"
    )


def test_the_traceback_of_an_error_is_kept_in_the_record(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(import_by_default, 4)
    fail_at(3, RuntimeError("the disk is full"))
    work(connection)
    kept = head(job)["error"]
    assert kept.startswith("Traceback (most recent call last):\n")
    assert kept.endswith("RuntimeError: the disk is full\n")
    assert "in rows" in kept


def test_of_a_long_traceback_the_end_is_kept(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(import_by_default, 4)
    fail_at(3, RuntimeError("x" * 2 * LONGEST_TRACEBACK + "the end"))
    work(connection)
    kept = head(job)["error"]
    assert len(kept) == LONGEST_TRACEBACK
    assert kept.endswith("the end\n")


def test_the_last_error_of_a_job_that_failed_is_kept_in_the_record(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_by_default, 4)
    fail_at(0)
    work(connection)
    assert "RuntimeError: out of order at 0" in head(job)["error"]


# max_resumptions


@continuable(max_resumptions=2, error_wait=0, save_every=0)
def resumed_twice(count: int) -> None:
    rows(count)


def test_the_interruption_beyond_max_resumptions_fails_the_job_naming_the_limit(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(resumed_twice, 10)
    for row in (1, 3, 5):
        once_at(row, stop)
        work(connection)
    assert failure(job) == (
        "rq_steps.errors.ResumeLimitError: the job was resumed 2 times, "
        "which is its max_resumptions: rq requeue gives it another round"
    )
    assert visits == [0, 1, 2, 3, 4, 5]


def test_errors_count_as_resumptions_and_the_last_one_is_told_as_the_cause(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(resumed_twice, 10)
    once_at(1, stop)
    work(connection)
    for row in (3, 5):
        fail_at(row)
    work(connection)
    assert "ResumeLimitError" in failure(job)
    result = job.latest_result()
    assert result is not None
    assert "RuntimeError: out of order at 5" in str(result.exc_string)


def test_the_progress_of_a_job_that_reached_its_limit_is_kept_and_requeue_counts_anew(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(resumed_twice, 12)
    for row in (1, 3, 5):
        once_at(row, stop)
        work(connection)
    assert cursor(job) == 6
    job.requeue()
    for row in (6, 8):
        once_at(row, stop)
        work(connection)
        assert job.get_status() == "queued"
    once_at(10, stop)
    work(connection)
    assert "ResumeLimitError" in failure(job)
    job.requeue()
    work(connection)
    assert job.is_finished
    assert visits == list(range(12))


@continuable(max_resumptions=0)
def never_resumed(count: int) -> None:
    rows(count)


def test_a_job_that_may_not_be_resumed_fails_at_its_first_interruption(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(never_resumed, 4)
    once_at(1, stop)
    work(connection)
    assert "the job was resumed 0 times, which is its max_resumptions" in failure(job)


@step(isolated=True)
def isolated(step: Step) -> None:
    visit(step.name)


@step
def pausing(step: Step) -> None:
    for row in step.each(range(4)):
        visit(row)
        if row == 1 and not step.resumed:
            step.interrupt(reason="pausing")


@continuable(max_resumptions=0)
def interrupted_as_planned() -> None:
    isolated()
    isolated.with_options(name="isolated again")()
    pausing()


def test_planned_interruptions_do_not_count_as_resumptions(
    connection: Redis, queue: Queue, events: list[Event]
) -> None:
    job = queue.enqueue(interrupted_as_planned)
    work(connection)
    assert job.is_finished
    reasons = [event.reason for event in events if isinstance(event, Interrupted)]
    assert reasons == ["isolated", "isolated", "pausing"]
    assert head(job)["resumptions"] == 0


# max_runtime and max_total_runtime


@step
def far_too_many(step: Step) -> None:
    """Far more than can be done in the time."""
    for _ in step.each(range(10**9)):
        pass


@continuable(max_runtime=0.02, max_resumptions=0)
def going_on_for_long() -> None:
    far_too_many()


@continuable(max_runtime=timedelta(milliseconds=20), max_resumptions=0)
def going_on_for_a_timedelta() -> None:
    far_too_many()


@pytest.mark.parametrize("function", [going_on_for_long, going_on_for_a_timedelta])
def test_after_max_runtime_an_execution_interrupts_itself_and_goes_to_the_back_of_the_queue(
    connection: Redis, queue: Queue, events: list[Event], function: Callable[[], None]
) -> None:
    job = queue.enqueue(function, job_timeout=10)
    other = queue.enqueue(import_rows, 1)
    cursors = []
    for _ in range(2):
        work(connection, executions=1)
        cursors.append(cursor(job))
        assert queue.job_ids[-1] == job.id
        queue.remove(other)
    assert 0 < cursors[0] < cursors[1]
    reasons = [event.reason for event in events if isinstance(event, Interrupted)]
    assert reasons == ["max_runtime", "max_runtime"]


@step
def begun() -> None:
    visit("begun")


@continuable(max_total_runtime=timedelta(hours=1))
def limited_in_total() -> None:
    begun()
    far_too_many()


def set_runtime(job: Job, seconds: float) -> None:
    """The executions so far have taken so long."""
    record = head(job) | {"runtime": seconds}
    job.connection.hset(job.key, "rq_steps", json.dumps(record))


def test_past_max_total_runtime_over_all_executions_the_job_fails_with_its_record_kept(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(limited_in_total, job_timeout=10)
    once_at("begun", stop)
    work(connection)
    assert job.get_status() == "queued"
    set_runtime(job, 3599.98)
    work(connection, executions=1)
    assert failure(job) == (
        "rq_steps.errors.ResumeLimitError: "
        "the job ran for longer than its max_total_runtime of 3600 s, in 2 executions: "
        "rq requeue gives it another round"
    )
    assert cursor(job) > 0


def test_after_max_total_runtime_the_time_is_counted_anew(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(limited_in_total, job_timeout=10)
    once_at("begun", stop)
    work(connection)
    set_runtime(job, 3600)
    work(connection, executions=1)
    assert job.is_failed
    assert head(job)["runtime"] < 60
    before = cursor(job)
    job.requeue()
    set_runtime(job, 3599.98)
    work(connection, executions=1)
    assert cursor(job) > before


def test_the_time_of_every_execution_is_added_up(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(going_on_for_long, job_timeout=10)
    runtimes = []
    for _ in range(3):
        work(connection, executions=1)
        runtimes.append(head(job)["runtime"])
    assert runtimes[0] >= 0.02
    assert runtimes[1] >= runtimes[0] + 0.02
    assert runtimes[2] >= runtimes[1] + 0.02


# step.interrupt


@step
def interrupting(step: Step, wait: float | timedelta | None, reason: str) -> None:
    for row in step.each(range(3)):
        visit(row)
        if row == 1 and not step.resumed:
            step.interrupt(wait=wait, reason=reason)


@continuable(max_resumptions=0)
def throttle(wait: float | timedelta, reason: str) -> None:
    interrupting(wait, reason)


@pytest.mark.parametrize("wait", [30, timedelta(seconds=30)])
def test_a_step_may_interrupt_itself_for_a_time_and_with_a_reason_of_its_own(
    connection: Redis, queue: Queue, events: list[Event], wait: float | timedelta
) -> None:
    job = queue.enqueue(throttle, wait, "rate limit of the API")
    work(connection)
    assert is_waiting(job)
    assert 20 < wait_of(job, queue) <= 30
    [event] = [event for event in events if isinstance(event, Interrupted)]
    assert (event.reason, event.wait) == ("rate limit of the API", 30)
    pass_time(queue)
    work(connection)
    assert job.is_finished
    assert visits == [0, 1, 1, 2]


def test_a_step_that_interrupts_itself_goes_to_the_back_of_the_queue(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(throttle, 0, "let others go first")
    other = queue.enqueue(import_rows, 1)
    work(connection, executions=1)
    assert queue.job_ids == [other.id, job.id]


@pytest.mark.parametrize("reason", ["stopping", "isolated", "max_total_runtime"])
def test_a_step_that_interrupts_itself_with_a_reason_of_ours_does_so_for_its_own(
    connection: Redis, queue: Queue, reason: str
) -> None:
    job = queue.enqueue(throttle, 0, reason)
    other = queue.enqueue(import_rows, 1)
    work(connection, executions=1)
    assert queue.job_ids == [other.id, job.id]
    assert head(job)["resumptions"] == 0


@continuable(resume_wait=60)
def throttle_with_a_resume_wait(wait: float | None) -> None:
    interrupting(wait, "a pause")


def test_an_interrupt_without_a_wait_of_its_own_waits_for_resume_wait(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(throttle_with_a_resume_wait, None)
    work(connection)
    assert 50 < wait_of(job, queue) <= 60


def test_a_wait_of_0_is_none_whatever_resume_wait_says(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(throttle_with_a_resume_wait, 0)
    work(connection, executions=1)
    assert queue.job_ids == [job.id]


# save_every


def test_with_save_every_0_every_checkpoint_is_saved(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(saving_all)
    saved: list[Any] = []
    for row in range(5):
        once_at(row, lambda: saved.append(cursor(job)))
    work(connection)
    assert saved == [None, 1, 2, 3, 4]


@continuable(save_every=0)
def saving_all() -> None:
    rows(5)


@continuable(save_every=3600)
def saving_hardly_ever() -> None:
    rows(5)


def test_between_begin_and_end_of_a_step_nothing_is_saved_before_save_every_has_passed(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(saving_hardly_ever)
    saved: list[Any] = []
    for row in range(5):
        once_at(row, lambda: saved.append(cursor(job)))
    work(connection)
    assert saved == [None] * 5
    assert completed(job) == [{"name": "rows", "result": 5}]


class Idle:
    """A database connection that is in no transaction."""

    in_transaction = False


@step
def guarded(step: Step) -> None:
    step.guard(Idle())
    for row in step.each(range(5)):
        visit(row)


@continuable(save_every=3600)
def guarding() -> None:
    guarded()


def test_a_step_whose_every_item_is_looked_at_is_not_saved_more_often_for_it(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(guarding)
    saved: list[Any] = []
    for row in range(5):
        once_at(row, lambda: saved.append(cursor(job)))
    work(connection)
    assert saved == [None] * 5


def test_after_a_death_every_checkpoint_is_saved_for_a_while(
    connection: Redis, queue: Queue
) -> None:
    """So that a job that dies young gets on, each time a bit."""
    job = queue.enqueue(saving_hardly_ever)
    connection.hset(job.key, "rq_steps:claim", "of an execution that has died")
    saved: list[Any] = []
    for row in range(5):
        once_at(row, lambda: saved.append(cursor(job)))
    work(connection)
    assert saved == [None, 1, 2, 3, 4]


SAVES = 5
saved_at: list[float] = []
"""When the record was saved, on time.monotonic's clock."""


def over_a_range(step: Step) -> None:
    for _ in step.each(range(10**9)):
        if len(saved_at) >= SAVES:
            return


def over_a_list(step: Step) -> None:
    for _ in step.each([0] * 10**7):
        if len(saved_at) >= SAVES:
            return


def over_a_generator(step: Step) -> None:
    for _ in step.each(number for number in range(10**9)):
        if len(saved_at) >= SAVES:
            return


def by_advance(step: Step) -> None:
    while len(saved_at) < SAVES:
        step.advance(from_=1)


def by_set(step: Step) -> None:
    while len(saved_at) < SAVES:
        step.set([1])


def by_checkpoint(step: Step) -> None:
    while len(saved_at) < SAVES:
        step.checkpoint()


@step
def go_on_until_saved(step: Step, way: Callable[[Step], None]) -> None:
    way(step)


@continuable(save_every=0.03)
def save_now_and_then(way: Callable[[Step], None]) -> None:
    go_on_until_saved(way)


@pytest.mark.parametrize(
    "way",
    [over_a_range, over_a_list, over_a_generator, by_advance, by_set, by_checkpoint],
)
def test_a_step_is_saved_every_save_every_and_no_more_often(
    connection: Redis,
    queue: Queue,
    monkeypatch: pytest.MonkeyPatch,
    way: Callable[[Step], None],
) -> None:
    saved_at.clear()
    save = Store.save

    def note_and_save(store: Store, *args: Any, **kwargs: Any) -> Answer:
        saved_at.append(monotonic())
        return save(store, *args, **kwargs)

    monkeypatch.setattr(Store, "save", note_and_save)
    job = queue.enqueue(save_now_and_then, way, job_timeout=10)
    work(connection, executions=1)
    assert job.is_finished
    pauses = [later - earlier for earlier, later in pairwise(saved_at[:SAVES])]
    assert min(pauses) >= 0.03

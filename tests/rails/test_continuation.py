"""The cases of Rails' own tests of continuations, `activejob/test/cases/continuation_test.rb`.

Each test names its case in its docstring, and says where rq-steps differs on purpose. Jobs run on
an `rq_steps.SimpleWorker` in this process; `error_wait=0` where Rails' tests do not wait either.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from redis import Redis
from rq import Callback, Queue, get_current_job
from rq.job import Job
from rq.registry import ScheduledJobRegistry

from rq_steps.events import Event, Interrupted
from tests.rails import jobs
from tests.rails.scene import Worker, fail_during, interrupt_after, interrupt_during, work
from tests.redis.scene import failure

CASES = (
    "iterates",
    "iterates and continues",
    "linear steps",
    "linear steps continues from last point",
    "does not checkpoint after the last step",
    "runs with perform_now",
    "does not retry jobs that error without updating the cursor",
    "interrupts without cursors",
    "saves progress when there is an error",
    "does not retry a second error if the cursor did not advance",
    "records the exception message as the exception_executions key when resuming after an error",
    "passes the job to the queue adapter stopping predicate",
    "uses queue adapter stopping reason when interrupting",
    "logs interruptions after steps",
    "logs interruptions during steps",
    "duplicate steps raise an error",
    "nested steps raise an error",
    "string named steps raise an error",
    "unexpected step on resumption raises an error",
    "steps not matching previously completed raises an error",
    "cursor must implement succ to advance",
    "deserializes a job with no continuation",
    "nested cursor",
    "nested cursor resumes",
    "iterates over array cursor",
    "interrupts and resumes array cursor",
    "limits resumes",
    "limits resumes due to errors",
    "does not resume after an error",
    "resume options",
    "runs isolated step separately",
    "runs initial and final isolated steps separately",
    "round-trips a non-primitive step cursor through Active Job argument serialization",
    "cursor deserialization errors can be handled by the job's error handlers",
)
LEFT_OUT = {
    "string named steps raise an error": "Python has no symbols: a step's name is a string",
}

IN_ORDER = [13, 22, 123, 234, 432, 3243, 6565]
THINGS = ["world", b"bytes", 1, 1.2, None, True, False, [1, 2, 3], {"a": 1, "b": 2}]
SHELVES = [["a1", "a2", "a3"], ["b1"], ["c1", "c2"]]


@pytest.fixture
def queue(connection: Redis) -> Queue:
    return Queue(connection=connection)


@pytest.fixture(autouse=True)
def nothing_done_yet() -> None:
    jobs.done.clear()
    jobs.stock[:] = [f"thing {number}" for number in range(10)]
    jobs.plan.clear()


def is_queued(job: Job, queue: Queue) -> bool:
    return job.get_status() == "queued" and queue.job_ids == [job.id]


def is_finished(job: Job, queue: Queue) -> bool:
    return job.get_status() == "finished" and queue.is_empty()


def record_of(job: Job) -> dict[str, Any]:
    """The head of the record, as anybody may read it."""
    head = job.connection.hget(job.key, "rq_steps")
    assert isinstance(head, bytes)
    record: dict[str, Any] = json.loads(head)
    return record


def cursor_of(job: Job) -> Any:
    return record_of(job)["current"]["cursor"]


def test_a_step_goes_over_its_records(queue: Queue) -> None:
    """Rails: "iterates"."""
    job = queue.enqueue(jobs.stamp_books)
    work(queue.connection)
    assert jobs.done == IN_ORDER
    assert is_finished(job, queue)


def test_an_interrupted_step_goes_on_at_its_cursor(queue: Queue) -> None:
    """Rails: "iterates and continues"."""
    job = queue.enqueue(jobs.stamp_books)
    with interrupt_during("stamp", 432):
        work(queue.connection)
    assert jobs.done == IN_ORDER[:5]
    assert is_queued(job, queue)
    assert cursor_of(job) == 433

    work(queue.connection)
    assert jobs.done == IN_ORDER
    assert is_finished(job, queue)


def test_steps_run_in_the_order_in_which_they_are_called(queue: Queue) -> None:
    """Rails: "linear steps"."""
    job = queue.enqueue(jobs.four_steps)
    work(queue.connection)
    assert jobs.done == ["first", "second", "third", "fourth"]
    assert is_finished(job, queue)


def test_a_job_interrupted_between_steps_goes_on_with_the_next_one(queue: Queue) -> None:
    """Rails: "linear steps continues from last point"."""
    job = queue.enqueue(jobs.four_steps)
    with interrupt_after("first"):
        work(queue.connection)
    assert jobs.done == ["first"]
    assert is_queued(job, queue)

    work(queue.connection)
    assert jobs.done == ["first", "second", "third", "fourth"]
    assert is_finished(job, queue)


def test_there_is_no_checkpoint_after_the_last_step(queue: Queue) -> None:
    """Rails: "does not checkpoint after the last step"."""
    job = queue.enqueue(jobs.four_steps)
    with interrupt_after("third"):
        work(queue.connection)
    assert is_queued(job, queue)

    with interrupt_after("fourth"):
        work(queue.connection)
    assert jobs.done == ["first", "second", "third", "fourth"]
    assert is_finished(job, queue)


def test_a_continuable_that_is_called_runs_straight_through() -> None:
    """Rails: "runs with perform_now".

    Here that is a plain call.
    """
    jobs.four_steps()
    assert jobs.done == ["first", "second", "third", "fourth"]


def test_an_error_before_the_cursor_has_moved_fails_the_job(queue: Queue) -> None:
    """Rails: "does not retry jobs that error without updating the cursor"."""
    job = queue.enqueue(jobs.clear_out)
    with fail_during("throw_away", "thing 1", RuntimeError("no more room")):
        work(queue.connection)
    assert failure(job) == "RuntimeError: no more room"
    assert jobs.stock == [f"thing {number}" for number in range(1, 10)]
    assert queue.is_empty()


def test_a_step_without_a_cursor_is_interrupted_at_its_checkpoints(queue: Queue) -> None:
    """Rails: "interrupts without cursors"."""
    job = queue.enqueue(jobs.clear_out)
    with interrupt_during("throw_away", "thing 0"):
        work(queue.connection)
    assert len(jobs.stock) == 9
    assert is_queued(job, queue)

    work(queue.connection)
    assert jobs.stock == []
    assert is_finished(job, queue)


def test_after_an_error_the_job_is_resumed_where_it_was(queue: Queue) -> None:
    """Rails: "saves progress when there is an error".

    The same worker resumes it here, since nothing has asked that to stop. The job counts its
    executions in its record.
    """
    job = queue.enqueue(jobs.stamp_books)
    with fail_during("stamp", 3243, RuntimeError("out of ink")):
        work(queue.connection, max_jobs=1)
    assert record_of(job)["executions"] == 1
    assert jobs.done == IN_ORDER[:5]
    assert job.get_status() == "queued"
    assert cursor_of(job) == 433

    work(queue.connection)
    assert jobs.done == IN_ORDER
    assert is_finished(job, queue)


def test_a_second_error_at_the_same_cursor_fails_the_job(queue: Queue) -> None:
    """Rails: "does not retry a second error if the cursor did not advance".

    The record of a failed job is kept, for `rq requeue`.
    """
    job = queue.enqueue(jobs.stamp_books)
    with fail_during("stamp", 3243, RuntimeError("out of ink")):
        work(queue.connection, max_jobs=1)
        assert job.get_status() == "queued"
        assert record_of(job)["executions"] == 1

        work(queue.connection)
    assert failure(job) == "RuntimeError: out of ink"
    assert queue.is_empty()
    assert record_of(job)["executions"] == 2
    assert cursor_of(job) == 433


def test_an_error_that_is_resumed_is_kept_in_the_record(queue: Queue) -> None:
    """Rails: "records the exception message as the exception_executions key when resuming \
after an error".

    Active Job counts by message; here the record counts all of them, and keeps the last traceback.
    """
    job = queue.enqueue(jobs.stamp_books)
    with fail_during("stamp", 3243, RuntimeError("out of ink")):
        work(queue.connection, max_jobs=1)
    record = record_of(job)
    assert record["errors"] == 1
    assert record["error"].splitlines()[-1] == "RuntimeError: out of ink"


def test_whether_it_is_stopping_is_asked_of_the_worker_that_runs_the_job(queue: Queue) -> None:
    """Rails: "passes the job to the queue adapter stopping predicate".

    There is no predicate: a job asks `stopping` of its worker, which knows which job it runs.
    """
    asked_for: list[Job | None] = []

    class AskedWorker(Worker):
        @property
        def stopping(self) -> bool:
            asked_for.append(get_current_job())
            return super().stopping

    job = queue.enqueue(jobs.four_steps)
    work(queue.connection, worker_class=AskedWorker)
    assert job in asked_for
    assert all(each in (job, None) for each in asked_for)
    assert is_finished(job, queue)


def test_an_interruption_says_its_reason(queue: Queue, events: list[Event]) -> None:
    """Rails: "uses queue adapter stopping reason when interrupting".

    A worker has but one reason, `stopping`; other ones are given by the job itself.
    """
    job = queue.enqueue(jobs.count_and_pause, 4)
    work(queue.connection, max_jobs=1)
    assert jobs.done == [0, 1]
    interruption = next(event for event in events if isinstance(event, Interrupted))
    assert interruption.reason == "queue_paused"
    assert interruption.description.endswith("(queue_paused)")

    work(queue.connection)
    assert jobs.done == [0, 1, 2, 3]
    assert is_finished(job, queue)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What has been logged since the last call, less the job's id, which all lines begin with."""
    caplog.set_level(logging.DEBUG, "rq_steps")

    def lines() -> list[str]:
        said = [each.getMessage() for each in caplog.records if each.name == "rq_steps"]
        caplog.clear()
        return [re.sub(r"^Job [0-9a-f-]{36}: ", "", line) for line in said]

    return lines


def test_an_interruption_between_steps_is_logged(
    queue: Queue, lines: Callable[[], list[str]]
) -> None:
    """Rails: "logs interruptions after steps". In other words."""
    queue.enqueue(jobs.four_steps)
    with interrupt_after("first"):
        work(queue.connection)
    assert lines() == [
        "started",
        "step 'first' started",
        "step 'first' completed",
        "interrupted after 'first' (stopping)",
    ]

    work(queue.connection)
    assert lines()[:4] == [
        "resumed after 'first'",
        "step 'first' skipped",
        "step 'second' started",
        "step 'second' completed",
    ]


def test_an_interruption_in_a_step_is_logged(queue: Queue, lines: Callable[[], list[str]]) -> None:
    """Rails: "logs interruptions during steps".

    In other words, and with one line where Rails has one for the step and one for the job.
    """
    queue.enqueue(jobs.stamp_books)
    with interrupt_during("stamp", 432):
        work(queue.connection)
    assert lines() == [
        "started",
        "step 'stamp' started",
        "interrupted at 'stamp', cursor 433 (stopping)",
    ]

    work(queue.connection)
    assert lines()[:3] == [
        "resumed at 'stamp', cursor 433",
        "step 'stamp' resumed from cursor 433",
        "step 'stamp' completed",
    ]


def test_a_step_that_is_called_twice_is_an_error(queue: Queue) -> None:
    """Rails: "duplicate steps raise an error".

    In other words: what is wrong, and what to do about it.
    """
    jobs.plan[:] = ["twice", "twice"]
    job = queue.enqueue(jobs.follow_plan)
    work(queue.connection)
    assert failure(job).startswith("rq_steps.errors.InvalidStepError: step 'twice' ")
    assert jobs.done == ["twice"]


def test_a_step_in_a_step_is_an_error(queue: Queue) -> None:
    """Rails: "nested steps raise an error"."""
    job = queue.enqueue(jobs.step_in_a_step)
    work(queue.connection)
    assert failure(job).startswith("rq_steps.errors.InvalidStepError: ")
    assert "'outer'" in failure(job)
    assert "'first'" in failure(job)
    assert jobs.done == []


def test_a_job_resumes_with_the_step_that_was_interrupted_or_not_at_all(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rails: "unexpected step on resumption raises an error".

    The record stays as it was.
    """
    job = queue.enqueue(jobs.stamp_books)
    with interrupt_during("stamp", 432):
        work(queue.connection)

    monkeypatch.setattr(jobs, "stamp", jobs.first)
    work(queue.connection)
    assert failure(job) == (
        "rq_steps.errors.InvalidStepError: step 'first' found, expected to resume from 'stamp'"
    )
    assert cursor_of(job) == 433
    assert "first" not in jobs.done


def test_completed_steps_come_in_the_recorded_order_or_the_job_fails(queue: Queue) -> None:
    """Rails: "steps not matching previously completed raises an error".

    The record stays as it was.
    """
    jobs.plan[:] = ["one", "two", "three", "four"]
    job = queue.enqueue(jobs.follow_plan)
    with interrupt_after("three"):
        work(queue.connection)

    jobs.plan[:] = ["one", "two", "two and a half", "three", "four"]
    work(queue.connection)
    assert failure(job).startswith(
        "rq_steps.errors.InvalidStepError: step 'two and a half' found, expected 'three'"
    )
    assert record_of(job)["completed"] == 3
    assert jobs.done == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("start", "from_", "moves"),
    [(None, None, False), (1.1, None, False), (None, 1.1, False), (1, None, True), (None, 1, True)],
)
def test_a_cursor_without_a_successor_does_not_advance(
    queue: Queue, start: Any, from_: Any, moves: bool
) -> None:
    """Rails: "cursor must implement succ to advance".

    Of Python's own types, `int` and `date` have a successor.
    """
    job = queue.enqueue(jobs.move_once, start, from_)
    work(queue.connection)
    if moves:
        assert is_finished(job, queue)
    else:
        assert failure(job).startswith("rq_steps.errors.UnadvanceableCursorError: ")


def test_a_job_without_a_record_begins_at_the_beginning(queue: Queue) -> None:
    """Rails: "deserializes a job with no continuation"."""
    job = queue.enqueue(jobs.stamp_books)
    with interrupt_during("stamp", 432):
        work(queue.connection)
    assert queue.connection.hdel(job.key, "rq_steps") == 1
    jobs.done.clear()

    work(queue.connection)
    assert jobs.done == IN_ORDER
    assert is_finished(job, queue)


def test_a_cursor_may_have_parts(queue: Queue) -> None:
    """Rails: "nested cursor"."""
    job = queue.enqueue(jobs.polish_rows, SHELVES)
    work(queue.connection)
    assert jobs.done == ["a1", "a2", "a3", "b1", "c1", "c2"]
    assert is_finished(job, queue)


def test_a_cursor_of_parts_is_resumed_in_all_of_them(queue: Queue) -> None:
    """Rails: "nested cursor resumes"."""
    job = queue.enqueue(jobs.polish_rows, SHELVES)
    with interrupt_during("polish", (0, 1)):
        work(queue.connection)
    assert jobs.done == ["a1", "a2"]
    assert is_queued(job, queue)
    assert cursor_of(job) == [0, 2]

    work(queue.connection)
    assert jobs.done == ["a1", "a2", "a3", "b1", "c1", "c2"]
    assert is_finished(job, queue)


def test_items_of_any_type_are_gone_over_by_their_index(queue: Queue) -> None:
    """Rails: "iterates over array cursor".

    By `step.each`, which keeps the index as its cursor.
    """
    job = queue.enqueue(jobs.collect_all, THINGS)
    work(queue.connection)
    assert jobs.done == THINGS
    assert is_finished(job, queue)


def test_items_of_any_type_are_resumed_at_their_index(queue: Queue) -> None:
    """Rails: "interrupts and resumes array cursor"."""
    job = queue.enqueue(jobs.collect_all, THINGS)
    with interrupt_during("collect", 2):
        work(queue.connection)
    assert jobs.done == THINGS[:3]
    assert is_queued(job, queue)
    assert cursor_of(job) == 3

    work(queue.connection)
    assert jobs.done == THINGS
    assert is_finished(job, queue)


def test_a_job_is_interrupted_as_often_as_max_resumptions_says(queue: Queue) -> None:
    """Rails: "limits resumes".

    Only a stop, an error or a death counts; what is planned does not. When the limit has been
    reached the count starts anew, so that `rq requeue` gives another round.
    """
    job = queue.enqueue(jobs.count_in_at_most_three_executions, 10)
    for number in range(2):
        with interrupt_during("count", number):
            work(queue.connection)
        assert is_queued(job, queue)
        assert record_of(job)["resumptions"] == number + 1

    with interrupt_during("count", 2):
        work(queue.connection)
    assert failure(job) == (
        "rq_steps.errors.ResumeLimitError: "
        "the job was resumed 2 times, which is its max_resumptions: "
        "rq requeue gives it another round"
    )
    assert queue.is_empty()

    job.requeue()
    work(queue.connection)
    assert jobs.done == list(range(10))
    assert is_finished(job, queue)


def test_a_resumption_after_an_error_counts_for_max_resumptions(queue: Queue) -> None:
    """Rails: "limits resumes due to errors".

    The error that was one too many is the cause of the ResumeLimitError.
    """
    job = queue.enqueue(jobs.count_in_at_most_three_executions, 10)
    for number in (1, 2):
        with fail_during("count", number, RuntimeError("lost count")):
            work(queue.connection, max_jobs=1)
        assert job.get_status() == "queued"

    with fail_during("count", 3, RuntimeError("lost count")):
        work(queue.connection, max_jobs=1)
    assert failure(job) == (
        "rq_steps.errors.ResumeLimitError: "
        "the job was resumed 2 times, which is its max_resumptions: "
        "rq requeue gives it another round"
    )
    assert jobs.done == [0, 1, 2]
    assert queue.is_empty()


def test_without_resume_errors_an_error_fails_the_job_though_it_advanced(queue: Queue) -> None:
    """Rails: "does not resume after an error".

    The option is called `resume_errors`.
    """
    job = queue.enqueue(jobs.count_without_resuming_errors, 10)
    with fail_during("count", 5, RuntimeError("boom")):
        work(queue.connection)
    assert failure(job) == "RuntimeError: boom"
    assert queue.is_empty()


def test_a_job_is_resumed_on_the_queue_and_after_the_wait_of_its_options(queue: Queue) -> None:
    """Rails: "resume options".

    The options are called `resume_queue` and `resume_wait`. Rails waits 5 seconds if it is not
    told otherwise; here a stopped job does not wait, unless it is told so.
    """
    job = queue.enqueue(jobs.count_on_another_queue_later, 10)
    before = queue.connection.time()[0]
    with interrupt_during("count", 0):
        work(queue.connection)
    after = queue.connection.time()[0] + 1
    assert job.get_status() == "scheduled"
    assert queue.is_empty()
    registry = ScheduledJobRegistry("other", connection=queue.connection)
    due = queue.connection.zscore(registry.key, job.id)
    assert due is not None
    assert before + 8 <= float(due) <= after + 8


def test_an_isolated_step_has_an_execution_of_its_own(queue: Queue, events: list[Event]) -> None:
    """Rails: "runs isolated step separately".

    A burst of one job is one execution: the job comes back to the front of its queue at once.
    """
    job = queue.enqueue(jobs.four_steps_some_isolated, ["third"])
    work(queue.connection, max_jobs=1)
    assert jobs.done == ["first", "second"]
    assert is_queued(job, queue)

    work(queue.connection, max_jobs=1)
    assert jobs.done == ["first", "second", "third"]
    assert is_queued(job, queue)

    work(queue.connection, max_jobs=1)
    assert jobs.done == ["first", "second", "third", "fourth"]
    assert is_finished(job, queue)
    interruptions = [event for event in events if isinstance(event, Interrupted)]
    assert [(each.after, each.reason) for each in interruptions] == [
        ("second", "isolated"),
        ("third", "isolated"),
    ]


def test_a_first_or_last_step_may_be_isolated(queue: Queue) -> None:
    """Rails: "runs initial and final isolated steps separately"."""
    job = queue.enqueue(jobs.four_steps_some_isolated, ["first", "fourth"])
    work(queue.connection, max_jobs=1)
    assert jobs.done == ["first"]
    assert is_queued(job, queue)

    work(queue.connection, max_jobs=1)
    assert jobs.done == ["first", "second", "third"]
    assert is_queued(job, queue)

    work(queue.connection, max_jobs=1)
    assert jobs.done == ["first", "second", "third", "fourth"]
    assert is_finished(job, queue)


def test_a_cursor_that_json_cannot_hold_comes_back_as_it_was(queue: Queue) -> None:
    """Rails: "round-trips a non-primitive step cursor through Active Job argument serialization".

    The record is JSON, too, with types of its own: not those of the job's arguments.
    """
    day = date(2026, 7, 6)
    job = queue.enqueue(jobs.read_up_to_day, day)
    with interrupt_during("read_up_to", day):
        work(queue.connection)
    assert is_queued(job, queue)

    work(queue.connection)
    assert jobs.done == [None, day]
    assert [type(each) for each in jobs.done] == [type(None), date]
    assert is_finished(job, queue)


def test_a_cursor_that_cannot_be_restored_fails_the_job_as_any_error_does(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rails: "cursor deserialization errors can be handled by the job's error handlers".

    A job's error handlers are RQ's failure callbacks here. The record stays as it was.
    """
    job = queue.enqueue(jobs.lay_bookmark_at, 12, on_failure=Callback(jobs.note_failure))
    with interrupt_during("lay_bookmark", 12):
        work(queue.connection)
    kept = cursor_of(job)

    monkeypatch.delattr(jobs, "Bookmark")
    work(queue.connection)
    [noted] = jobs.done
    assert isinstance(noted, str)
    assert noted.startswith("UnserializableError: cursor of step 'lay_bookmark': ")
    assert failure(job).startswith("rq_steps.errors.UnserializableError: ")
    assert cursor_of(job) == kept


def test_every_case_of_rails_has_its_test_or_a_reason() -> None:
    named = []
    for name, test in vars(sys.modules[__name__]).items():
        if name.startswith("test_"):
            named += re.findall(r'Rails: "([^"]+)"', test.__doc__ or "")
    assert sorted([*named, *LEFT_OUT]) == sorted(CASES)
    assert all(LEFT_OUT.values())

"""Each turn of a job is an event, and one line on the logger `rq_steps`."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job

from rq_steps import Step, continuable, deadlines, step
from rq_steps.events import (
    Errored,
    Event,
    Finished,
    Interrupted,
    LongGap,
    Resumed,
    Started,
    StepCompleted,
    StepSkipped,
    StepStarted,
    Superseded,
    subscribe,
)
from tests.redis.scene import (
    StockWorker,
    Worker,
    another_copy,
    claimed_by_another,
    fail_at,
    import_rows,
    once_at,
    stop,
    visit,
    work,
)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The lines of rq_steps so far, with their levels."""
    caplog.set_level(logging.DEBUG, "rq_steps")

    def read() -> list[str]:
        ours = [line for line in caplog.records if line.name == "rq_steps"]
        return [f"{line.levelname} {line.getMessage()}" for line in ours]

    return read


Lines = Callable[[], list[str]]


def test_a_run_that_is_not_interrupted_says_when_it_and_its_steps_begin_and_end(
    connection: Redis, queue: Queue, events: list[Event], lines: Lines
) -> None:
    queue.enqueue(import_rows, 2, job_id="daily")
    work(connection)
    assert lines() == [
        "INFO Job daily: started",
        "INFO Job daily: step 'rows' started",
        "INFO Job daily: step 'rows' completed",
        "INFO Job daily: step 'report' started",
        "INFO Job daily: step 'report' completed",
        "INFO Job daily: finished: 2 steps in 1 execution",
    ]
    assert events == [
        Started("daily"),
        StepStarted("daily", "rows", None, False),
        StepCompleted("daily", "rows", 2),
        StepStarted("daily", "report", None, False),
        StepCompleted("daily", "report", None),
        Finished("daily", 2, 1),
    ]


def test_an_interruption_and_a_resumption_name_step_cursor_and_reason(
    connection: Redis, queue: Queue, events: list[Event], lines: Lines
) -> None:
    queue.enqueue(import_rows, 3, job_id="daily")
    once_at(1, stop)
    work(connection)
    work(connection)
    assert lines()[2:5] == [
        "INFO Job daily: interrupted at 'rows', cursor 2 (stopping)",
        "INFO Job daily: resumed at 'rows', cursor 2",
        "INFO Job daily: step 'rows' resumed from cursor 2",
    ]
    assert events[2:5] == [
        Interrupted("daily", "rows", 2, None, "stopping", 0),
        Resumed("daily", "rows", 2, None, 2),
        StepStarted("daily", "rows", 2, True),
    ]
    assert lines()[-1] == "INFO Job daily: finished: 2 steps in 2 executions"


@step
def throttled(step: Step) -> None:
    step.interrupt(wait=90, reason="rate limit of the API")


@continuable
def throttle() -> None:
    throttled()


def test_an_interruption_with_a_wait_names_the_wait_and_a_reason_of_the_users_own(
    connection: Redis, queue: Queue, events: list[Event], lines: Lines
) -> None:
    queue.enqueue(throttle, job_id="daily")
    work(connection)
    assert (
        lines()[-1]
        == "INFO Job daily: interrupted at 'throttled' (rate limit of the API), back in 90 s"
    )
    assert events[-1] == Interrupted("daily", "throttled", None, None, "rate limit of the API", 90)


def test_an_interruption_between_two_steps_names_the_one_that_is_done(
    connection: Redis, queue: Queue, events: list[Event], lines: Lines
) -> None:
    queue.enqueue(two_parts, job_id="daily")
    once_at("first", stop)
    work(connection)
    work(connection)
    assert lines()[3:6] == [
        "INFO Job daily: interrupted after 'part' (stopping)",
        "INFO Job daily: resumed after 'part'",
        "DEBUG Job daily: step 'part' skipped",
    ]
    assert events[3:6] == [
        Interrupted("daily", None, None, "part", "stopping", 0),
        Resumed("daily", None, None, "part", 2),
        StepSkipped("daily", "part"),
    ]


@step
def part(name: str) -> None:
    visit(name)


@continuable
def two_parts() -> None:
    part("first")
    part.with_options(name="part two")("second")


@continuable
def three_parts() -> None:
    two_parts()
    part.with_options(name="part three")("third")


def test_of_several_steps_that_are_done_the_last_one_is_named(
    connection: Redis, queue: Queue, lines: Lines
) -> None:
    queue.enqueue(three_parts, job_id="daily")
    once_at("second", stop)
    work(connection)
    assert lines()[-1] == "INFO Job daily: interrupted after 'part two' (stopping)"


def test_an_error_that_is_resumed_names_step_cursor_and_exception(
    connection: Redis, queue: Queue, events: list[Event], lines: Lines
) -> None:
    queue.enqueue(import_rows, 3, job_id="daily")
    error = RuntimeError("the disk is full")
    fail_at(1, error)
    work(connection, executions=1)
    line = "ERROR Job daily: RuntimeError at 'rows', cursor 1, resumes in 0 s: the disk is full"
    assert lines()[-1] == line
    assert events[-1] == Errored("daily", "rows", 1, None, error, 0)


def test_an_error_that_is_rqs_to_handle_is_a_line_without_a_traceback(
    connection: Redis, queue: Queue, events: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    """RQ logs the traceback itself."""
    queue.enqueue(import_rows, 3, job_id="daily")
    error = RuntimeError("the disk is full")
    fail_at(0, error)
    work(connection)
    ours = [line for line in caplog.records if line.name == "rq_steps"]
    [line] = [line for line in ours if "the disk is full" in line.getMessage()]
    assert line.levelno == logging.WARNING
    assert line.exc_info is None
    assert line.getMessage() == (
        "Job daily: RuntimeError at 'rows', cursor 0, not resumed: the disk is full"
    )
    assert events[-1] == Errored("daily", "rows", 0, None, error, None)


def supersede(job: Job) -> None:
    claimed_by_another(job)


def cancel(job: Job) -> None:
    another_copy(job).cancel()


def delete(job: Job) -> None:
    another_copy(job).delete()


@pytest.mark.parametrize(
    ("lose", "why"), [(supersede, "superseded"), (cancel, "canceled"), (delete, "deleted")]
)
def test_an_execution_that_has_lost_its_job_says_why_it_ends(
    connection: Redis,
    queue: Queue,
    events: list[Event],
    lines: Lines,
    lose: Callable[[Job], None],
    why: str,
) -> None:
    job = queue.enqueue(import_rows, 3, job_id="daily")
    once_at(1, lambda: lose(job))
    work(connection)
    assert lines()[-1] == f"WARNING Job daily: {why} at 'rows', cursor 2, this execution ends"
    assert events[-1] == Superseded("daily", "rows", 2, None, why)


def whatever_happens(connection: Redis, queue: Queue, worker_class: type[Worker]) -> None:
    """A job that is interrupted twice, fails twice, is requeued, and finishes."""
    job = queue.enqueue(import_rows, 8, job_id="daily")
    for row, happening in ((1, stop), (3, fail), (5, stop), (6, fail)):
        once_at(row, happening)
    for _ in range(4):
        work(connection, executions=1, worker_class=worker_class)
    work(connection, worker_class=worker_class)
    if job.is_failed:
        job.requeue()
    work(connection, worker_class=worker_class)
    assert job.is_finished


def fail() -> None:
    raise RuntimeError("out of order")


@pytest.mark.parametrize("worker_class", [Worker, StockWorker])
def test_each_turn_is_one_event_and_one_line(
    connection: Redis,
    queue: Queue,
    events: list[Event],
    lines: Lines,
    worker_class: type[Worker],
) -> None:
    whatever_happens(connection, queue, worker_class)
    assert lines() == [
        f"{logging.getLevelName(event.level)} Job daily: {event.description}" for event in events
    ]
    kinds = {type(event) for event in events}
    assert kinds >= {Started, Resumed, StepStarted, StepCompleted, Interrupted, Errored, Finished}


def test_a_turn_is_told_after_it_has_been_saved(connection: Redis, queue: Queue) -> None:
    """Who hears of an interruption finds it in the record; also of the end, and of an error."""
    job = queue.enqueue(import_rows, 3)
    seen: list[tuple[str, object]] = []

    def look(event: Event) -> None:
        if isinstance(event, Interrupted | Errored | Finished):
            progress = another_copy(job).meta["rq_steps"]
            seen.append((type(event).__name__, progress["cursor"] or progress["finished"]))

    unsubscribe = subscribe(look)
    once_at(0, stop)
    work(connection)
    fail_at(2)
    work(connection)
    unsubscribe()
    assert seen == [("Interrupted", 1), ("Errored", 2), ("Finished", True)]


def test_a_step_that_takes_too_long_is_named_once_whether_it_has_checkpoints_or_none(
    connection: Redis, queue: Queue, events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a shutdown leaves no time at all, each step takes too long. `report` has none."""
    monkeypatch.setattr(deadlines, "GRACE", 0.0)
    queue.enqueue(import_rows, 3)
    work(connection)
    assert [event.step for event in events if isinstance(event, LongGap)] == ["rows", "report"]

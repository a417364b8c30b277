"""RQ's job timeout: a slice of the job and not its end, wherever its alarm strikes."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis
from rq import Queue, get_current_job
from rq.timeouts import JobTimeoutException
from rq.worker import BaseWorker

from rq_steps import Step, continuable, step
from rq_steps.events import Errored, Event, Interrupted, subscribe
from rq_steps.record import Completed, Record
from rq_steps.store import Store
from rq_steps.watch import Watch
from tests.redis.scene import (
    BEFORE_THE_CLAIM,
    StockWorker,
    Worker,
    completed,
    failure,
    happen,
    import_rows,
    import_rows_late,
    once_at,
    report,
    rows,
    stop,
    visit,
    visits,
    work,
)

OURS_AND_STOCK = pytest.mark.parametrize("worker_class", [Worker, StockWorker])


def alarm() -> None:
    """The time is up: RQ's handler raises here and now."""
    signal.raise_signal(signal.SIGALRM)


def errors_resumed_after(events: list[Event]) -> list[str]:
    errors = [each for each in events if isinstance(each, Errored) and each.wait is not None]
    return [type(each.exception).__name__ for each in errors]


def reasons(events: list[Event]) -> list[str]:
    return [each.reason for each in events if isinstance(each, Interrupted)]


# In user code


async def wait_for_the_alarm() -> None:
    """RQ's, which takes a second at least. It is set when everybody waits: a coroutine that it
    strikes before that is never awaited, and Python warns of it in another test."""
    asyncio.get_running_loop().call_soon(signal.setitimer, signal.ITIMER_REAL, 0.01)
    await asyncio.Event().wait()


@step(start=0)
async def wait_for_pages(step: Step) -> None:
    while step.cursor < 2:
        visit(step.cursor)
        step.advance()
        if step.cursor == 1:
            await asyncio.wait_for(wait_for_the_alarm(), 60)


@continuable(error_wait=0)
async def crawl() -> None:
    await wait_for_pages()


@OURS_AND_STOCK
def test_a_job_timeout_while_an_async_item_awaits_is_an_error_like_any_other(
    connection: Redis, queue: Queue, events: list[Event], worker_class: type[BaseWorker]
) -> None:
    job = queue.enqueue(crawl)
    work(connection, worker_class=worker_class)
    assert job.is_finished
    assert visits == [0, 1]
    assert errors_resumed_after(events) == ["JobTimeoutException"]


# As a slice


@step
def items_that_take_long(step: Step) -> None:
    for item in step.each(range(2)):
        visit(item)
        threading.Event().wait(1.05)  # more than half of 2 seconds, which RQ's alarm counts


@continuable(error_wait=0, save_every=3600)
def do_what_takes_long() -> None:
    items_that_take_long()


def test_an_item_that_would_not_end_in_time_is_left_to_the_next_execution(
    connection: Redis, queue: Queue, events: list[Event]
) -> None:
    job = queue.enqueue(do_what_takes_long, job_timeout=2)
    work(connection)
    assert job.is_finished
    assert visits == [0, 1]
    assert reasons(events) == ["timeout"]


def have_it_begun_earlier(seconds: float) -> None:
    """So long RQ has had it run: it imports the job's module, for example."""
    job = get_current_job()
    assert job is not None
    assert job.started_at is not None
    job.started_at -= timedelta(seconds=seconds)


@pytest.mark.parametrize(("before", "expected"), [(99, ["timeout"]), (50, [])])
def test_the_slice_begins_with_rqs_alarm_and_not_when_the_module_has_been_imported(
    connection: Redis, queue: Queue, events: list[Event], before: float, expected: list[str]
) -> None:
    job = queue.enqueue(import_rows_late, 3, job_timeout=100)
    once_at(BEFORE_THE_CLAIM, lambda: have_it_begun_earlier(before))
    work(connection)
    assert job.is_finished
    assert reasons(events) == expected


# In the middle of the machine


class PickledSlowly:
    def __reduce__(self) -> tuple[Callable[[], PickledSlowly], tuple[()]]:
        happen("pickling")
        return PickledSlowly, ()


@step
def set_what_is_pickled_slowly(step: Step) -> None:
    visit("setting")
    step.set(PickledSlowly())


@step
def return_what_is_pickled_slowly() -> PickledSlowly:
    visit("returning")
    return PickledSlowly()


@continuable(error_wait=0)
def pickle_a_cursor() -> None:
    rows(1)
    set_what_is_pickled_slowly()


@continuable(error_wait=0)
def pickle_a_result() -> None:
    rows(1)
    return_what_is_pickled_slowly()


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (pickle_a_cursor, [0, "setting", "setting"]),
        (pickle_a_result, [0, "returning", "returning"]),
    ],
)
def test_a_job_timeout_while_a_value_is_pickled_is_a_timeout_and_not_the_fault_of_the_value(
    connection: Redis,
    queue: Queue,
    events: list[Event],
    function: Callable[[], None],
    expected: list[object],
) -> None:
    job = queue.enqueue(function)
    once_at("pickling", alarm)
    work(connection)
    assert job.is_finished
    assert visits == expected
    assert errors_resumed_after(events) == ["JobTimeoutException"]


def test_a_job_timeout_between_the_two_halves_of_completing_a_step_leaves_it_completed(
    connection: Redis, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = Record.complete

    def complete_by_half(record: Record, done: Completed) -> None:
        monkeypatch.setattr(Record, "complete", complete)
        record.completed.append(done)
        alarm()

    monkeypatch.setattr(Record, "complete", complete_by_half)
    job = queue.enqueue(import_rows, 3)
    work(connection)
    assert job.is_finished
    assert visits == [0, 1, 2, "report"]
    assert [done["name"] for done in completed(job)] == ["rows", "report"]


# In a subscriber


@pytest.fixture
def subscriber() -> Iterator[None]:
    """Something may happen in it, at each kind of event."""
    unsubscribe = subscribe(lambda event: happen(type(event).__name__))
    yield
    unsubscribe()


def test_a_job_timeout_in_a_subscriber_is_the_jobs(
    connection: Redis, queue: Queue, events: list[Event], subscriber: None
) -> None:
    job = queue.enqueue(import_rows, 3)
    once_at("StepCompleted", alarm)
    work(connection)
    assert job.is_finished
    assert visits == [0, 1, 2, "report"]
    assert errors_resumed_after(events) == ["JobTimeoutException"]


@pytest.mark.parametrize("turn", ["Started", "StepStarted"])
def test_a_job_timeout_in_a_subscriber_before_the_job_has_advanced_fails_it(
    connection: Redis, queue: Queue, events: list[Event], subscriber: None, turn: str
) -> None:
    job = queue.enqueue(import_rows, 3)
    once_at(turn, alarm)
    work(connection)
    assert "JobTimeoutException" in failure(job)
    assert visits == []
    assert [event.wait for event in events if isinstance(event, Errored)] == [None]


def test_an_error_of_a_subscribers_own_hurts_nobody(
    connection: Redis, queue: Queue, subscriber: None, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise TimeoutError("of its own")

    job = queue.enqueue(import_rows, 3)
    once_at("StepCompleted", fail)
    work(connection)
    assert job.is_finished
    assert visits == [0, 1, 2, "report"]
    assert "a subscriber raised at StepCompleted" in caplog.text


# While the job leaves


def stop_and_then(
    monkeypatch: pytest.MonkeyPatch, kind: type, method: str, happening: Callable[[], None]
) -> None:
    """The next time that this method is called, in an execution that leaves, this happens."""
    original = getattr(kind, method)

    def after_it_happened(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(kind, method, original)
        happening()
        return original(*args, **kwargs)

    stop()
    monkeypatch.setattr(kind, method, after_it_happened)


@OURS_AND_STOCK
@pytest.mark.parametrize(
    ("kind", "method"), [(Watch, "close"), (Store, "save"), (Store, "latest_meta")]
)
def test_the_alarm_while_a_job_leaves_does_not_fail_it(
    connection: Redis,
    queue: Queue,
    monkeypatch: pytest.MonkeyPatch,
    worker_class: type[BaseWorker],
    kind: type,
    method: str,
) -> None:
    job = queue.enqueue(import_rows, 3)
    once_at(1, lambda: stop_and_then(monkeypatch, kind, method, alarm))
    work(connection, worker_class=worker_class)
    assert job.get_status() == "queued"
    work(connection, worker_class=worker_class)
    assert visits == [0, 1, 2, "report"]
    assert job.is_finished


def raise_as_a_timer_does() -> None:
    """Where RQ has no alarm, a thread raises it."""
    raise JobTimeoutException


def test_a_timeout_without_an_alarm_in_the_last_save_does_not_fail_the_job_either(
    connection: Redis, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = queue.enqueue(import_rows, 3)
    once_at(1, lambda: stop_and_then(monkeypatch, Store, "save", raise_as_a_timer_does))
    work(connection)
    assert job.get_status() == "queued"
    work(connection)
    assert visits == [0, 1, 2, "report"]


@pytest.mark.parametrize("turn", ["Interrupted", "Finished"])
def test_the_alarm_in_a_subscriber_that_is_told_of_the_end_of_an_execution_does_not_fail_the_job(
    connection: Redis, queue: Queue, subscriber: None, turn: str
) -> None:
    job = queue.enqueue(import_rows, 3)
    once_at(1, stop)
    once_at(turn, alarm)
    work(connection)
    assert job.get_status() == "queued"
    work(connection)
    assert visits == [0, 1, 2, "report"]
    assert job.is_finished


@continuable(error_wait=0)
def import_with_an_alarm_at_the_end() -> str:
    try:
        return report(rows(3))
    finally:
        happen("in the end")


def test_the_alarm_while_the_interrupt_is_under_way_does_not_fail_the_job(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_with_an_alarm_at_the_end)
    once_at(1, stop)
    once_at("in the end", alarm)
    work(connection)
    assert job.get_status() == "queued"
    work(connection)
    assert visits == [0, 1, 2, "report"]


handlers: list[object] = []
"""Of the alarm: in an item, and behind the continuable."""


def note_handler() -> None:
    handlers.append(signal.getsignal(signal.SIGALRM))


def import_and_go_on() -> str:
    result = import_rows(3)
    note_handler()
    return result


@OURS_AND_STOCK
def test_behind_the_continuable_the_alarm_is_rqs_again(
    connection: Redis,
    queue: Queue,
    monkeypatch: pytest.MonkeyPatch,
    worker_class: type[BaseWorker],
) -> None:
    """For decorators over it."""
    handlers.clear()
    monkeypatch.setattr(import_and_go_on, "__wrapped__", import_rows, raising=False)
    job = queue.enqueue(import_and_go_on)
    once_at(1, note_handler)
    work(connection, worker_class=worker_class)
    assert job.is_finished
    assert len(handlers) == 2
    assert callable(handlers[0])
    assert handlers[0] == handlers[1]

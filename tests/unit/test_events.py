"""What happens to a job, turn by turn: `rq_steps.events`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError
from inspect import isabstract

import pytest

from rq_steps import events
from rq_steps.events import (
    Died,
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
    listening,
    publish,
    subscribe,
)

CRASH = ValueError("no such row")

LINES = [
    (Started("42"), "INFO", "Job 42: started"),
    (Resumed("42", "rows", 7, "check", 2), "INFO", "Job 42: resumed at 'rows', cursor 7"),
    (Resumed("42", None, None, "check", 2), "INFO", "Job 42: resumed after 'check'"),
    (StepStarted("42", "rows", None, False), "INFO", "Job 42: step 'rows' started"),
    (StepStarted("42", "rows", 7, True), "INFO", "Job 42: step 'rows' resumed from cursor 7"),
    (StepStarted("42", "rows", None, True), "INFO", "Job 42: step 'rows' resumed from its start"),
    (StepSkipped("42", "rows"), "DEBUG", "Job 42: step 'rows' skipped"),
    (StepCompleted("42", "rows", 9), "INFO", "Job 42: step 'rows' completed"),
    (
        Interrupted("42", "rows", "b", "check", "stopping", 0.0),
        "INFO",
        "Job 42: interrupted at 'rows', cursor 'b' (stopping)",
    ),
    (
        Interrupted("42", "rows", None, "check", "throttled", 2.5),
        "INFO",
        "Job 42: interrupted at 'rows' (throttled), back in 2.5 s",
    ),
    (
        Errored("42", "rows", 7, "check", CRASH, 5.0),
        "ERROR",
        "Job 42: ValueError at 'rows', cursor 7, resumes in 5 s: no such row",
    ),
    (
        Errored("42", None, None, None, CRASH, None),
        "WARNING",
        "Job 42: ValueError before its first step, not resumed: no such row",
    ),
    (
        Errored("42", None, None, "check", ValueError("no\n  such row"), None),
        "WARNING",
        "Job 42: ValueError after 'check', not resumed: no such row",
    ),
    (
        Errored("42", "rows", 7, "check", TimeoutError(), None),
        "WARNING",
        "Job 42: TimeoutError at 'rows', cursor 7, not resumed",
    ),
    (
        Superseded("42", "rows", 7, "check", "canceled"),
        "WARNING",
        "Job 42: canceled at 'rows', cursor 7, this execution ends",
    ),
    (
        Died("42", "rows", 7, "check", 2, False),
        "WARNING",
        "Job 42: died at 'rows', cursor 7, 2 times in a row there, put back",
    ),
    (
        Died("42", None, None, None, 3, True),
        "ERROR",
        "Job 42: died before its first step, 3 times in a row there, failed",
    ),
    (
        LongGap("42", "rows", 12.34, 10.0),
        "WARNING",
        (
            "Job 42: step 'rows' had no checkpoint for 12.3 s: "
            "it is cut off by a shutdown that leaves it 10 s"
        ),
    ),
    (Finished("42", 3, 2), "INFO", "Job 42: finished: 3 steps in 2 executions"),
]


@pytest.fixture
def subscribed() -> Iterator[Callable[[events.Subscriber], None]]:
    """Subscribes until the end of the test."""
    ends: list[Callable[[], None]] = []
    yield lambda subscriber: ends.append(subscribe(subscriber))
    for end in ends:
        end()


@pytest.mark.parametrize(("event", "level", "line"), LINES)
def test_each_turn_is_one_line_that_names_the_job(
    event: Event, level: str, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="rq_steps")
    publish(event)
    assert caplog.record_tuples == [("rq_steps", getattr(logging, level), line)]


def test_each_kind_of_turn_has_its_line() -> None:
    kinds = [kind for kind in vars(events).values() if Event in getattr(kind, "__mro__", ())]
    assert {type(event) for event, _, _ in LINES} == {
        kind for kind in kinds if not isabstract(kind)
    }


def test_an_event_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        LINES[0][0].job_id = "43"  # type: ignore[misc]  # it is what is refused


def test_an_error_that_is_resumed_is_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    publish(Errored("42", "rows", 7, "check", CRASH, 5.0))
    exc_info = caplog.records[0].exc_info
    assert exc_info is not None
    assert exc_info[1] is CRASH


def test_the_traceback_of_an_error_that_is_not_resumed_is_left_to_rq(
    caplog: pytest.LogCaptureFixture,
) -> None:
    publish(Errored("42", "rows", 7, "check", CRASH, None))
    assert not caplog.records[0].exc_info


def test_the_turns_are_shown_where_nobody_has_set_a_level() -> None:
    assert logging.getLogger("rq_steps").level == logging.INFO


class Lines:
    """Something whose repr takes more than one line, as arrays' do."""

    def __repr__(self) -> str:
        return "[1,\n     2]"


class Dumb(Exception):
    def __str__(self) -> str:
        raise LookupError("no message")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Errored("42", None, None, None, Dumb(), None), "not resumed: <Dumb>"),
        (Interrupted("42", "rows", Dumb(), None, "stopping", 0.0), "cursor <Dumb> (stopping)"),
        (StepStarted("42", "rows", Dumb(), True), "resumed from cursor <Dumb>"),
    ],
)
def test_a_turn_is_told_of_an_error_or_a_cursor_whose_own_methods_fail(
    caplog: pytest.LogCaptureFixture, event: Event, line: str
) -> None:
    publish(event)
    [record] = caplog.records
    assert record.getMessage().endswith(line)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ((None, None, None), "before its first step"),
        ((None, None, "check"), "after 'check'"),
        (("rows", None, "check"), "at 'rows'"),
        (("rows", 0, "check"), "at 'rows', cursor 0"),
        (("rows", "b", None), "at 'rows', cursor 'b'"),
        (("rows", Lines(), None), "at 'rows', cursor [1, 2]"),
    ],
)
def test_a_place_is_told_in_one_line_of_words(
    where: tuple[str | None, object, str | None], words: str
) -> None:
    assert Resumed("42", *where, 2).place == words


def test_every_subscriber_is_handed_every_event_in_order(
    subscribed: Callable[[events.Subscriber], None],
) -> None:
    first: list[Event] = []
    second: list[Event] = []
    subscribed(first.append)
    subscribed(second.append)
    for event, _, _ in LINES:
        publish(event)
    assert first == second == [event for event, _, _ in LINES]


def test_a_subscriber_learns_of_what_is_not_logged(
    subscribed: Callable[[events.Subscriber], None], caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Event] = []
    subscribed(seen.append)
    caplog.set_level(logging.CRITICAL, logger="rq_steps")
    publish(Started("42"))
    assert seen == [Started("42")]
    assert not caplog.records


def test_a_subscriber_that_has_ended_its_subscription_hears_no_more() -> None:
    seen: list[Event] = []
    end = subscribe(seen.append)
    end()
    publish(Started("42"))
    assert seen == []


def test_a_subscriber_may_end_its_subscription_while_it_is_called(
    subscribed: Callable[[events.Subscriber], None],
) -> None:
    seen: list[Event] = []

    def once(event: Event) -> None:
        seen.append(event)
        end()

    end = subscribe(once)
    subscribed(seen.append)
    publish(Started("42"))
    publish(Started("43"))
    assert seen == [Started("42"), Started("42"), Started("43")]


def test_a_subscriber_that_raises_is_logged_and_hurts_nobody(
    subscribed: Callable[[events.Subscriber], None], caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Event] = []

    def broken(event: Event) -> None:
        raise CRASH

    subscribed(broken)
    subscribed(seen.append)
    publish(Started("42"))
    assert seen == [Started("42")]
    complaint = caplog.records[-1]
    assert complaint.levelname == "ERROR"
    assert complaint.getMessage() == "Job 42: a subscriber raised at Started(job_id='42')"
    assert complaint.exc_info is not None
    assert complaint.exc_info[1] is CRASH


def test_somebody_listens_where_it_is_logged_or_anybody_has_subscribed(
    subscribed: Callable[[events.Subscriber], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="rq_steps")
    assert listening(logging.INFO)
    assert not listening(logging.DEBUG)
    subscribed(lambda event: None)
    assert listening(logging.DEBUG)

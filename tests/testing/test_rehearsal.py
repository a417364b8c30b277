"""A job that is rehearsed in memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis
from rq.decorators import job
from rq.exceptions import AbandonedJobError

from rq_steps import (
    InvalidStepError,
    ResumeLimitError,
    Step,
    UnserializableError,
    continuable,
    step,
)
from rq_steps.events import Finished, Interrupted, LongGap, Started
from rq_steps.testing import (
    Crash,
    Failure,
    Interruption,
    NeverReachedError,
    Place,
    Rehearsal,
    RehearsalError,
)

log: list[object] = []


@pytest.fixture(autouse=True)
def empty_log() -> None:
    log.clear()


@step
def validate(count: int) -> tuple[str, int]:
    log.append("validate")
    return "valid", count


@step
def load(step: Step, count: int) -> None:
    for item in step.each(range(count)):
        log.append(item)


@step(start=0)
def number(step: Step, count: int) -> None:
    while step.cursor < count:
        log.append(f"number {step.cursor}")
        step.advance()


@continuable(resume_wait=2, save_every=1)
def process(count: int) -> str:
    valid, total = validate(count)
    load(count)
    number(count)
    return f"{total} {valid}"


def rehearsed(*, count: int = 3, **options: Any) -> Rehearsal:
    return Rehearsal(process, count, **options)


def ways(rehearsal: Rehearsal) -> list[str]:
    return [execution.outcome for execution in rehearsal.executions]


NUMBERS = ["number 0", "number 1", "number 2"]


def test_a_job_that_nothing_happens_to_runs_in_one_execution() -> None:
    rehearsal = rehearsed()
    assert rehearsal.outcome is None
    assert rehearsal.run() is rehearsal
    assert rehearsal.outcome == "finished"
    assert rehearsal.result == "3 valid"
    (execution,) = rehearsal.executions
    assert execution.ran == ("validate", "load", "number")
    assert execution.skipped == ()
    assert execution.reason is None
    assert log == ["validate", 0, 1, 2, *NUMBERS]


def test_a_job_that_is_interrupted_after_a_step_goes_on_with_the_next() -> None:
    rehearsal = rehearsed()
    rehearsal.interrupt(after="validate")
    first, second = rehearsal.run().executions
    assert (first.outcome, first.reason, first.wait) == ("interrupted", "stopping", 2)
    assert (first.ran, first.step) == (("validate",), None)
    assert (second.ran, second.skipped) == (("load", "number"), ("validate",))
    assert rehearsal.result == "3 valid"
    assert log == ["validate", 0, 1, 2, *NUMBERS]


def test_a_job_that_is_interrupted_during_a_step_goes_on_at_the_cursor() -> None:
    rehearsal = rehearsed()
    rehearsal.interrupt(during="load", cursor=2)
    first, second = rehearsal.run().executions
    assert (first.step, first.cursor) == ("load", 2)
    assert second.ran == ("load", "number")
    assert log == ["validate", 0, 1, 2, *NUMBERS]


@pytest.mark.parametrize(
    ("strike", "outcome"),
    [
        (Interruption(Place(during="load", cursor=2)), "interrupted"),
        (Crash(Place(during="load", cursor=2)), "crashed"),
        (Failure(Place(during="load", cursor=2), OSError()), "errored"),
    ],
)
def test_what_befalls_a_job_may_be_a_parameter(strike: Any, outcome: str) -> None:
    rehearsal = rehearsed()
    rehearsal.strike(strike)
    assert ways(rehearsal.run()) == [outcome, "finished"]


def test_without_a_cursor_it_is_interrupted_at_the_first_checkpoint_of_the_step() -> None:
    rehearsal = rehearsed()
    rehearsal.interrupt(during="number")
    first, _ = rehearsal.run().executions
    assert (first.step, first.cursor) == ("number", 1)


def test_checkpoints_are_counted_over_all_executions() -> None:
    rehearsal = rehearsed()
    rehearsal.interrupt(checkpoint=2)
    rehearsal.interrupt(checkpoint=4)
    first, second, third = rehearsal.run().executions
    assert [each.number for each in first.checkpoints] == [1, 2]
    assert (first.step, first.cursor) == ("load", 1)
    assert [each.number for each in second.checkpoints] == [3, 4]
    assert (second.step, second.record["completed"]) == (None, ["validate", "load"])
    assert third.outcome == "finished"


def test_each_checkpoint_says_where_it_was() -> None:
    (execution,) = rehearsed(count=2).run().executions
    assert [str(each) for each in execution.checkpoints] == [
        "checkpoint 1, after 'validate'",
        "checkpoint 2, in 'load' at cursor 1",
        "checkpoint 3, after 'load'",
        "checkpoint 4, in 'number' at cursor 1",
        "checkpoint 5, in 'number' at cursor 2",
    ]


def test_a_job_may_be_interrupted_for_a_reason_of_ones_own() -> None:
    rehearsal = rehearsed()
    rehearsal.interrupt(during="load", reason="the database is busy")
    first, _ = rehearsal.run().executions
    assert first.reason == "the database is busy"


def test_a_job_that_is_told_to_stop_sees_it() -> None:
    seen = []

    @step
    def look(step: Step) -> None:
        seen.append(step.stopping)
        try:
            step.checkpoint()
        finally:
            seen.append(step.stopping)

    @continuable
    def looking() -> None:
        look()

    rehearsal = Rehearsal(looking)
    rehearsal.interrupt(during="look")
    rehearsal.run()
    assert seen == [False, True, False, False]


def test_of_a_crash_only_what_was_saved_survives() -> None:
    rehearsal = rehearsed()
    rehearsal.crash(during="load", cursor=2)
    first, second = rehearsal.run().executions
    assert (first.outcome, first.step) == ("crashed", None)
    assert second.ran == ("load", "number")
    assert log == ["validate", 0, 1, 0, 1, 2, *NUMBERS]


def test_what_was_saved_just_before_a_crash_is_not_repeated() -> None:
    rehearsal = rehearsed()
    rehearsal.crash(during="load", cursor=2, saved=True)
    first, _ = rehearsal.run().executions
    assert (first.outcome, first.step, first.cursor) == ("crashed", "load", 2)
    assert log == ["validate", 0, 1, 2, *NUMBERS]


def test_what_a_crash_costs_depends_on_save_every() -> None:
    rehearsal = rehearsed(count=10)
    rehearsal.clock.per_checkpoint = 0.4
    rehearsal.crash(during="load", cursor=8)
    first, _ = rehearsal.run().executions
    assert (first.step, first.cursor) == ("load", 5)


def test_a_step_that_completed_is_repeated_where_it_was_not_recorded_before_the_crash() -> None:
    rehearsal = rehearsed()
    rehearsal.crash(after="validate")
    first, second = rehearsal.run().executions
    assert first.record["completed"] == []
    assert second.ran == ("validate", "load", "number")
    assert log.count("validate") == 2


def test_a_step_that_was_recorded_before_the_crash_is_skipped() -> None:
    rehearsal = rehearsed()
    rehearsal.crash(after="number", saved=True)
    first, second = rehearsal.run().executions
    assert first.record["completed"] == ["validate", "load", "number"]
    assert second.ran == ()
    assert rehearsal.result == "3 valid"


def test_after_a_crash_every_checkpoint_is_saved_for_some_seconds() -> None:
    rehearsal = rehearsed(count=12)
    rehearsal.clock.per_checkpoint = 0.9
    rehearsal.crash(during="load", cursor=1)
    rehearsal.crash(during="load", cursor=4)
    rehearsal.crash(during="load", cursor=10)
    _, second, third, _ = rehearsal.run().executions
    assert second.cursor == 3
    assert third.cursor == 8


def test_code_that_swallows_everything_does_not_go_on_after_a_crash() -> None:
    @step
    def stubborn(step: Step) -> None:
        for item in range(3):
            log.append(item)
            try:
                step.checkpoint()
            except BaseException:
                log.append("swallowed")

    @continuable
    def some_job() -> None:
        stubborn()

    rehearsal = Rehearsal(some_job)
    rehearsal.crash(checkpoint=1)
    rehearsal.run()
    assert ways(rehearsal) == ["crashed", "finished"]
    assert rehearsal.executions[1].ran == ("stubborn",)


def test_a_job_that_dies_three_times_in_one_place_fails_as_with_a_worker() -> None:
    rehearsal = rehearsed()
    for _ in range(3):
        rehearsal.crash(after="validate")
    with pytest.raises(AbandonedJobError, match="the job died 3 times in a row at 'validate'"):
        rehearsal.run()
    assert ways(rehearsal) == ["crashed"] * 3


def test_a_job_is_resumed_after_an_error_if_it_had_advanced() -> None:
    rehearsal = rehearsed()
    rehearsal.fail(OSError("full"), during="load", cursor=2)
    first, second = rehearsal.run().executions
    assert (first.outcome, str(first.error), first.wait) == ("errored", "full", 5)
    assert first.reason is None
    assert second.outcome == "finished"
    assert log == ["validate", 0, 1, 2, *NUMBERS]


def test_an_error_that_fails_the_job_is_raised_and_run_goes_on_like_a_requeue() -> None:
    @continuable(resume_errors=False)
    def strict(count: int) -> None:
        load(count)

    rehearsal = Rehearsal(strict, 3)
    rehearsal.fail(OSError("full"), during="load", cursor=2)
    with pytest.raises(OSError, match="full"):
        rehearsal.run()
    assert rehearsal.outcome == "failed"
    assert rehearsal.record["cursor"] == 2
    rehearsal.run()
    assert ways(rehearsal) == ["failed", "finished"]
    assert log == [0, 1, 2]


def test_a_job_can_be_started_in_the_middle() -> None:
    rehearsal = rehearsed()
    rehearsal.start_at("load", cursor=2, completed={"validate": ("valid", 7)})
    (execution,) = rehearsal.run().executions
    assert execution.skipped == ("validate",)
    assert rehearsal.result == "7 valid"
    assert log == [2, *NUMBERS]


def test_a_start_in_the_middle_that_does_not_fit_the_code_is_refused_by_the_job() -> None:
    rehearsal = rehearsed()
    rehearsal.start_at("number", cursor=2)
    with pytest.raises(InvalidStepError, match="validate"):
        rehearsal.run()


def test_a_start_in_the_middle_comes_first() -> None:
    rehearsal = rehearsed().run()
    with pytest.raises(RehearsalError, match="start_at comes before the first run"):
        rehearsal.start_at("load")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"step": process}, "step is the name of a step, a string: found <function "),
        (
            {"step": "load", "completed": ["validate"]},
            (
                "completed has results by the names of their steps, found ['validate']: "
                "as in completed={'validate': 10}"
            ),
        ),
    ],
)
def test_a_start_in_the_middle_is_told_by_names(given: dict[str, Any], told: str) -> None:
    with pytest.raises(TypeError) as refusal:
        rehearsed().start_at(**given)
    assert str(refusal.value).startswith(told)


@pytest.mark.parametrize("strike", ["load", Place(during="load"), Crash])
def test_what_is_no_strike_is_refused(strike: Any) -> None:
    with pytest.raises(TypeError, match=r"^a strike is an Interruption\(place\), Crash"):
        rehearsed().strike(strike)


@pytest.mark.parametrize("error", ["boom", None, str])
def test_what_cannot_be_raised_is_refused(error: Any) -> None:
    """Or Python's own error would be raised, and the job resumed after that."""
    with pytest.raises(TypeError, match=r"^fail raises an exception, as .*: found "):
        rehearsed().fail(error, during="load")


def test_max_runtime_goes_by_the_rehearsals_clock() -> None:
    @continuable(max_runtime=timedelta(hours=1))
    def slow(count: int) -> None:
        load(count)

    rehearsal = Rehearsal(slow, 6, job_timeout=None)
    rehearsal.clock.per_checkpoint = 30 * 60
    rehearsal.run()
    assert [execution.reason for execution in rehearsal.executions] == [
        "max_runtime",
        "max_runtime",
        None,
    ]
    assert log == [0, 1, 2, 3, 4, 5]


def test_the_job_timeout_is_a_slice_of_the_job() -> None:
    rehearsal = rehearsed(count=6, job_timeout=60)
    rehearsal.clock.per_checkpoint = 20
    rehearsal.run()
    assert {execution.reason for execution in rehearsal.executions} == {"timeout", None}
    assert rehearsal.result == "6 valid"


def test_the_jobs_own_code_can_let_time_go_by() -> None:
    @step
    def wait_long() -> None:
        rehearsal.clock.advance(timedelta(minutes=1))

    @continuable(max_total_runtime=30)
    def some_job() -> None:
        wait_long()
        wait_long.with_options(name="again")()

    rehearsal = Rehearsal(some_job)
    with pytest.raises(ResumeLimitError, match="max_total_runtime of 30 s"):
        rehearsal.run()


def test_waits_need_no_waiting() -> None:
    rehearsal = rehearsed()
    rehearsal.interrupt(after="validate")
    before = rehearsal.clock.now
    rehearsal.run()
    assert rehearsal.clock.now == before + 2


def test_a_long_gap_between_two_checkpoints_is_told() -> None:
    rehearsal = rehearsed()
    rehearsal.clock.per_checkpoint = 20
    rehearsal.run()
    assert any(isinstance(event, LongGap) for event in rehearsal.events)


def test_max_resumptions_counts() -> None:
    @continuable(max_resumptions=1)
    def limited(count: int) -> None:
        load(count)

    rehearsal = Rehearsal(limited, 5)
    rehearsal.interrupt(checkpoint=1)
    rehearsal.interrupt(checkpoint=2)
    with pytest.raises(ResumeLimitError):
        rehearsal.run()
    assert ways(rehearsal) == ["interrupted", "failed"]


def test_an_isolated_step_has_an_execution_of_its_own() -> None:
    @step(isolated=True)
    def alone() -> None:
        log.append("alone")

    @continuable
    def some_job() -> None:
        validate(1)
        alone()
        load(1)

    rehearsal = Rehearsal(some_job).run()
    assert [execution.ran for execution in rehearsal.executions] == [
        ("validate",),
        ("alone",),
        ("load",),
    ]


def test_events_are_those_of_a_job() -> None:
    rehearsal = rehearsed(job_id="my job")
    rehearsal.interrupt(after="validate")
    rehearsal.run()
    assert rehearsal.events[0] == Started("my job")
    assert Interrupted("my job", None, None, "validate", "stopping", 2.0) in rehearsal.events
    assert rehearsal.events[-1] == Finished("my job", 3, 2)


def test_async_continuables_are_rehearsed_too() -> None:
    @step
    async def fetch(step: Step) -> None:
        for item in step.each(range(3)):
            log.append(item)

    @continuable
    async def crawl() -> str:
        await fetch()
        return "crawled"

    rehearsal = Rehearsal(crawl)
    rehearsal.interrupt(during="fetch", cursor=1)
    assert rehearsal.run().result == "crawled"
    assert log == [0, 1, 2]


def test_a_job_decorator_above_the_continuable_does_not_hide_it() -> None:
    @continuable
    def plain() -> str:
        return "done"

    decorated = job("imports", connection=Redis())(plain)

    assert Rehearsal(decorated).run().result == "done"


def test_with_json_nothing_is_pickled() -> None:
    @step
    def give() -> object:
        return lambda: None

    @continuable
    def some_job() -> None:
        give()

    Rehearsal(some_job).run()
    with pytest.raises(UnserializableError, match="result of step 'give'"):
        Rehearsal(some_job, serializer="json").run()


@pytest.mark.parametrize("place", [{"during": "load", "cursor": 9}, {"after": "number"}])
def test_a_place_that_the_job_never_comes_to_is_an_error(place: dict[str, Any]) -> None:
    rehearsal = rehearsed()
    rehearsal.interrupt(**place)
    with pytest.raises(NeverReachedError) as raised:
        rehearsal.run()
    named = ", ".join(f"{name}={value!r}" for name, value in place.items())
    assert str(raised.value).startswith(
        f"the job has ended and never came to: interrupt({named}); its checkpoints:"
    )
    assert "checkpoint 7, in 'number' at cursor 3" in str(raised.value)
    assert rehearsal.result == "3 valid"


def test_a_function_that_is_no_continuable_is_refused() -> None:
    def plain() -> None: ...

    with pytest.raises(RehearsalError, match="plain is no continuable"):
        Rehearsal(plain).run()


def test_the_result_of_a_call_is_refused() -> None:
    called: Any = 42
    with pytest.raises(RehearsalError) as told:
        Rehearsal(called)
    assert str(told.value) == (
        "found 42, which is no continuable: give the function itself, and what it is called "
        "with behind it, as in Rehearsal(process_import, 42)"
    )


def test_a_limit_that_the_continuable_does_not_have_interrupts_nothing() -> None:
    rehearsal = rehearsed()
    rehearsal.interrupt(checkpoint=1, reason="max_total_runtime")
    with pytest.raises(RehearsalError, match="for max_total_runtime: its continuable has none"):
        rehearsal.run()


def test_a_continuable_that_was_called_by_mistake_is_refused() -> None:
    @continuable
    async def crawl() -> None: ...

    for given, found in ((process(3), "found '3 valid'"), (crawl(), "found <coroutine object ")):
        with pytest.raises(RehearsalError, match=f"{found}.*: give the function itself"):
            Rehearsal(given)  # type: ignore[arg-type]  # it is what is refused


def test_a_step_is_refused_and_not_run() -> None:
    ran = []

    class Importer:
        @step
        def load(self) -> None:
            ran.append("load")

    for alone in (Importer.load, Importer().load):
        with pytest.raises(RehearsalError, match="load is a step: rehearse a continuable that"):
            Rehearsal(alone)
    assert ran == []


def test_a_job_that_has_finished_is_not_run_again() -> None:
    rehearsal = rehearsed().run()
    with pytest.raises(RehearsalError, match="has finished: make a new Rehearsal"):
        rehearsal.run()


def test_a_job_that_never_ends_is_told_of() -> None:
    @step
    def again(step: Step) -> None:
        step.interrupt()

    @continuable
    def endless() -> None:
        again()

    with pytest.raises(RehearsalError, match="has not ended after 1000 executions"):
        Rehearsal(endless).run()


@pytest.mark.parametrize(
    ("misuse", "message"),
    [
        (lambda: Rehearsal(process, 3, serializer="yaml"), "'pickle' or 'json', found 'yaml'"),
        (lambda: rehearsed().interrupt(), "one of after, during and checkpoint"),
        (lambda: rehearsed().crash(after="a", during="b"), "one of after, during and checkpoint"),
        (lambda: rehearsed().clock.advance(-1), "by must be finite and not negative"),
        (
            lambda: rehearsed().interrupt(after="load", reason=""),
            "a string that says why, found ''",
        ),
        (
            lambda: rehearsed().fail("no disk", after="load"),  # type: ignore[arg-type]  # refused
            "fail raises an exception, as .*: found 'no disk'",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(misuse: Callable[[], object], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        misuse()

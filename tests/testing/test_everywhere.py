"""A job is cut at every point where it can be."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from rq_steps import Step, continuable, step
from rq_steps.testing import Coverage, Rehearsal, everywhere

rows: dict[int, str] = {}
visits: list[object] = []


def make() -> Rehearsal:
    rows.clear()
    visits.clear()
    return Rehearsal(process, 4)


@step
def validate(total: int) -> int:
    visits.append("validate")
    return total


@step
def load(step: Step, total: int) -> None:
    for item in step.each(range(total)):
        rows[item] = "loaded"
        visits.append(item)


@step
def report() -> str:
    return f"{len(rows)} rows"


@continuable
def process(total: int) -> str:
    load(validate(total))
    return report()


def is_right(rehearsal: Rehearsal) -> bool:
    return rehearsal.result == "4 rows" and rows == dict.fromkeys(range(4), "loaded")


def test_a_job_that_is_right_is_right_wherever_it_is_cut() -> None:
    # After validate, at the cursors 1 to 3, after load; three steps end.
    assert everywhere(make, is_right) == Coverage(checkpoints=5, points=5 * 4 - 1 + 6, tried=25)


def test_it_is_interrupted_and_crashed_at_each_checkpoint() -> None:
    seen = []

    def look(rehearsal: Rehearsal) -> None:
        seen.append(
            [
                (each.outcome, each.step, each.cursor, each.record["completed"])
                for each in rehearsal.executions[:-1]
            ]
        )

    everywhere(make, look)
    assert [] in seen
    validated = ["validate"]
    for cursor in (1, 2, 3):
        assert [("interrupted", "load", cursor, validated)] in seen
        assert [("crashed", "load", cursor, validated)] in seen
    assert [("crashed", None, None, validated)] in seen
    two = [("interrupted", "load", 1, validated), ("interrupted", "load", 2, validated)]
    assert two in seen
    assert [("crashed", "validate", None, [])] in seen
    assert [("crashed", None, None, ["validate", "load", "report"])] in seen


def test_without_crashes_what_may_happen_once_only_is_right() -> None:
    def once(_: Rehearsal) -> bool:
        return visits == ["validate", 0, 1, 2, 3]

    assert everywhere(make, once, crashes=False).tried == 9
    with pytest.raises(AssertionError, match="crashed at checkpoint 2, in 'load' at cursor 1"):
        everywhere(make, once)


def test_a_failure_names_the_point_and_the_record_and_how_to_reproduce_it() -> None:
    def once(_: Rehearsal) -> None:
        assert visits == ["validate", 0, 1, 2, 3], "something was done twice"

    with pytest.raises(AssertionError) as raised:
        everywhere(make, once)
    said = str(raised.value).splitlines()
    assert said[0] == (
        "the job is not right when crashed at checkpoint 2, in 'load' at cursor 1, before a save"
    )
    assert said[1].startswith("AssertionError: something was done twice")
    assert '"completed": ["validate"]' in str(raised.value)
    assert said[-4:] == [
        "to reproduce it:",
        "    rehearsal = make()",
        "    rehearsal.crash(checkpoint=2)",
        "    rehearsal.run()",
    ]
    assert isinstance(raised.value.__cause__, AssertionError)


def test_what_reproduces_a_failure_does() -> None:
    rehearsal = make()
    rehearsal.crash(checkpoint=2)
    rehearsal.run()
    assert visits == ["validate", 0, 0, 1, 2, 3]


def test_a_job_that_fails_when_it_is_resumed_is_not_right() -> None:
    @continuable
    def forgetful() -> None:
        if not visits:
            validate(4)
        load(4)

    def make_forgetful() -> Rehearsal:
        visits.clear()
        return Rehearsal(forgetful)

    with pytest.raises(AssertionError, match=r"InvalidStepError: .*'validate'"):
        everywhere(make_forgetful, lambda _: None)


def test_a_step_whose_name_differs_from_run_to_run_is_told() -> None:
    hours = count()

    @continuable
    def hourly() -> None:
        validate.with_options(name=f"validate-{next(hours)}")(3)

    with pytest.raises(AssertionError) as raised:
        everywhere(lambda: Rehearsal(hourly), lambda _: None)
    assert "number 1 was 'validate-0', then 'validate-1'" in str(raised.value)


def test_a_job_that_is_not_right_without_a_cut_is_told_first() -> None:
    with pytest.raises(AssertionError, match="the job is not right when nothing cuts it"):
        everywhere(make, lambda _: False)


def test_a_job_that_cannot_be_cut_is_told() -> None:
    @continuable
    def short() -> None: ...

    with pytest.raises(AssertionError, match="nothing to cut: the job has no checkpoint"):
        everywhere(lambda: Rehearsal(short), lambda _: None)


def test_a_make_that_sets_nothing_up_is_told() -> None:
    visits.clear()
    with pytest.raises(AssertionError, match="does make set everything up anew"):
        everywhere(lambda: Rehearsal(process, 4), lambda _: visits.count("validate") == 1)


@pytest.mark.parametrize("made", [None, Rehearsal(process, 4).run()])
def test_a_make_that_makes_no_new_rehearsal_is_refused(made: object) -> None:
    with pytest.raises(TypeError, match="make has to return a new Rehearsal"):
        everywhere(lambda: made, lambda _: None)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("name", ["make", "check"])
def test_what_is_no_function_is_refused(name: str) -> None:
    given: dict[str, Any] = {"make": lambda: Rehearsal(process, 4), "check": lambda _: True}
    given[name] = Rehearsal(process, 4)
    with pytest.raises(TypeError) as told:
        everywhere(**given)
    assert str(told.value) == (
        f"{name} has to be a function, which is called for each run: "
        "found <rehearsal of process: None after 0 executions>"
    )


def points_of(at_most: int, seed: int) -> list[object]:
    tried: list[object] = []

    def look(rehearsal: Rehearsal) -> None:
        cut = rehearsal.executions[0]
        tried.append((cut.outcome, cut.step, cut.cursor))

    coverage = everywhere(lambda: Rehearsal(process, 300), look, at_most=at_most, seed=seed)
    assert coverage.tried == at_most < coverage.points
    return tried


def test_of_a_large_job_a_sample_is_tried_that_the_seed_chooses() -> None:
    assert points_of(20, seed=1) == points_of(20, seed=1)
    assert points_of(20, seed=1) != points_of(20, seed=2)


def test_the_borders_of_the_steps_are_in_each_sample() -> None:
    tried = points_of(40, seed=3)
    for border in (("interrupted", None, None), ("interrupted", "load", 1)):
        assert border in tried
    assert ("interrupted", "load", 299) in tried


@pytest.mark.parametrize("swallow", [Exception, BaseException])
def test_a_job_that_swallows_is_cut_all_the_same(swallow: type[BaseException]) -> None:
    @step
    def stubborn(step: Step) -> None:
        for item in range(3):
            rows[item] = "loaded"
            try:
                step.checkpoint()
            except swallow:
                rows[item] = "swallowed"

    @continuable
    def job() -> None:
        stubborn()

    def make_stubborn() -> Rehearsal:
        rows.clear()
        return Rehearsal(job)

    def all_are_loaded(_: Rehearsal) -> bool:
        return rows == dict.fromkeys(range(3), "loaded")

    assert everywhere(make_stubborn, all_are_loaded).checkpoints == 3

"""What `@continuable` and `@step` can be told: `rq_steps.options`."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from rq_steps.options import Options, StepOptions, continuable_options, seconds, step_options

TIMES = ["resume_wait", "error_wait", "max_runtime", "max_total_runtime", "save_every"]


def options(**given: Any) -> Options:
    """As `@continuable` makes them: what is not given is the default of its signature."""
    defaults: dict[str, Any] = {
        "max_resumptions": None,
        "resume_wait": 0,
        "resume_queue": None,
        "resume_errors": True,
        "error_wait": 5,
        "max_runtime": None,
        "max_total_runtime": None,
        "save_every": 1.0,
    }
    return continuable_options(**(defaults | given))


def only(found: Options, name: str) -> object:
    """The option, as a number of seconds where there is but one."""
    return found.error_waits[0] if name == "error_wait" else getattr(found, name)


def test_the_defaults_are_those_of_the_decorator() -> None:
    assert options() == Options()
    assert Options() == Options(
        max_resumptions=None,
        resume_wait=0.0,
        resume_queue=None,
        resume_errors=True,
        error_waits=(5.0,),
        max_runtime=None,
        max_total_runtime=None,
        save_every=1.0,
    )


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize(
    ("given", "found"), [(3, 3.0), (0.25, 0.25), (timedelta(minutes=2, milliseconds=5), 120.005)]
)
def test_a_time_is_a_number_of_seconds_or_a_timedelta(name: str, given: Any, found: float) -> None:
    value = only(options(**{name: given}), name)
    assert value == found
    assert type(value) is float


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("given", [True, "5", Decimal(5), [[]], object()])
def test_a_time_that_is_neither_is_refused(name: str, given: Any) -> None:
    with pytest.raises(TypeError, match=rf"^{name} must be a number of seconds or a timedelta, "):
        options(**{name: given})


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("given", [-1, -0.001, math.inf, math.nan, timedelta(seconds=-1)])
def test_a_time_is_finite_and_not_negative(name: str, given: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be finite and not negative, found "):
        options(**{name: given})


@pytest.mark.parametrize("name", ["resume_wait", "error_wait", "save_every"])
def test_a_wait_may_be_nothing(name: str) -> None:
    assert only(options(**{name: 0}), name) == 0.0


@pytest.mark.parametrize("name", ["max_runtime", "max_total_runtime"])
@pytest.mark.parametrize("given", [0, 0.0, timedelta()])
def test_a_limit_of_running_leaves_some_time_to_run(name: str, given: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be greater than 0, found "):
        options(**{name: given})


def test_the_nth_error_waits_for_the_nth_time_and_the_last_one_repeats() -> None:
    waits = options(error_wait=[1, timedelta(seconds=2), 7.5])
    assert [waits.error_wait(nth) for nth in (1, 2, 3, 4, 100)] == [1.0, 2.0, 7.5, 7.5, 7.5]


def test_a_single_error_wait_is_for_every_error() -> None:
    assert [options(error_wait=3).error_wait(nth) for nth in (1, 2, 3)] == [3.0, 3.0, 3.0]


def test_a_sequence_of_error_waits_holds_one_at_least() -> None:
    with pytest.raises(ValueError, match=r"^error_wait must not be empty$"):
        options(error_wait=[])


def test_each_of_a_sequence_of_error_waits_is_checked() -> None:
    with pytest.raises(ValueError, match=r"^error_wait must be finite and not negative, found -2$"):
        options(error_wait=(1, -2))


@pytest.mark.parametrize("limit", [None, 0, 1, 10**9])
def test_max_resumptions_is_a_whole_number_or_none(limit: int | None) -> None:
    assert options(max_resumptions=limit).max_resumptions == limit


@pytest.mark.parametrize("given", [True, 3.0, "3"])
def test_max_resumptions_of_another_type_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match=r"^max_resumptions must be a whole number or None, found "):
        options(max_resumptions=given)


def test_max_resumptions_is_not_negative() -> None:
    with pytest.raises(ValueError, match=r"^max_resumptions must not be negative, found -1$"):
        options(max_resumptions=-1)


def test_resume_queue_is_a_name_or_none() -> None:
    assert options(resume_queue="imports").resume_queue == "imports"
    assert options(resume_queue=None).resume_queue is None
    with pytest.raises(ValueError, match=r"^resume_queue must not be empty$"):
        options(resume_queue="")
    with pytest.raises(TypeError, match=r"^resume_queue must be a string, found \['imports'\]$"):
        options(resume_queue=["imports"])


@pytest.mark.parametrize("given", [1, 0, None, "yes"])
def test_resume_errors_is_true_or_false(given: Any) -> None:
    assert options(resume_errors=False).resume_errors is False
    with pytest.raises(TypeError, match=r"^resume_errors must be True or False, found "):
        options(resume_errors=given)


def test_a_step_has_a_name_a_start_and_may_be_isolated() -> None:
    assert step_options("number", 0, True) == StepOptions(name="number", start=0, isolated=True)
    assert StepOptions("number") == StepOptions("number", start=None, isolated=False)


@pytest.mark.parametrize("given", [None, 3, b"number"])
def test_the_name_of_a_step_is_a_string(given: Any) -> None:
    with pytest.raises(TypeError, match=r"^name must be a string, found "):
        step_options(given, None, False)


def test_the_name_of_a_step_is_not_empty() -> None:
    with pytest.raises(ValueError, match=r"^name must not be empty$"):
        step_options("", None, False)


def test_isolated_is_true_or_false() -> None:
    with pytest.raises(TypeError, match=r"^isolated must be True or False, found 'yes'$"):
        step_options("number", None, "yes")  # type: ignore[arg-type]  # it is what is refused


def test_a_message_says_what_was_found_as_it_was_given() -> None:
    with pytest.raises(ValueError, match=r"found datetime\.timedelta\(days=-1\)$"):
        seconds("wait", timedelta(days=-1))


def test_options_do_not_change() -> None:
    for made in (options(), step_options("number", None, False)):
        with pytest.raises(FrozenInstanceError):
            made.name = "other"  # type: ignore[misc, union-attr]  # it is what is refused

"""What `@continuable` and `@step` make of functions, methods and whatever else is under them."""

from __future__ import annotations

import abc
import asyncio
import contextvars
import copy
import functools
import importlib
import inspect
import logging
import pickle
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rq import Queue

from rq_steps import (
    Interrupt,
    InvalidStepError,
    SimpleWorker,
    Step,
    Worker,
    continuable,
    current,
    step,
)
from rq_steps.continuation import Continuation
from rq_steps.current import entered
from rq_steps.keeper import NoKeeper
from rq_steps.options import StepOptions
from rq_steps.record import Completed, Record, Run

ROOT = Path(__file__).parent.parent.parent


@step
def double(number: int) -> int:
    """Twice as much."""
    return 2 * number


@step(name="listed", start=3)
def listed(step: Step, *more: int, last: int = 9) -> list[int]:
    return [step.cursor, *more, last]


@step
async def awaited(step: Step, number: int) -> tuple[str, int]:
    """A step that is awaited."""
    await asyncio.sleep(0)
    return step.name, number


@continuable
def process(number: int, *, times: int = 1) -> int:
    """Doubled, and multiplied."""
    return double(number) * times


@continuable(max_resumptions=5)
async def process_async(number: int) -> tuple[str, int]:
    return await awaited(number)


class Importer:
    """Has steps of every kind."""

    __slots__ = ("factor",)

    def __init__(self, factor: int = 10) -> None:
        self.factor = factor

    def __eq__(self, other: object) -> bool:  # and so, no hash
        return isinstance(other, Importer) and other.factor == self.factor

    @step
    def scale(self, number: int) -> int:
        """Times the factor."""
        return self.factor * number

    @step(start=1)
    def handed(self, step: Step, number: int = 0) -> tuple[int, int, int]:
        return self.factor, step.cursor, number

    @step
    async def awaited(self, step: Step, number: int) -> tuple[str, int]:
        return step.name, self.factor * number

    @classmethod
    @step
    def of_class(cls, step: Step, number: int) -> tuple[str, str, int]:
        return cls.__name__, step.name, number

    @classmethod
    @step
    def of_class_alone(cls, number: int) -> tuple[str, int]:
        return cls.__name__, number

    @staticmethod
    @step
    def static(step: Step, number: int) -> tuple[str, int]:
        return step.name, number

    @continuable
    def run(self, number: int) -> int:
        return self.scale(number) + self.scale.with_options(name="again")(number)

    @continuable
    async def run_async(self, number: int) -> tuple[str, int]:
        return await self.awaited(number)

    @classmethod
    @continuable
    def run_class(cls, number: int) -> tuple[str, str, int]:
        return cls.of_class(number)

    @staticmethod
    @continuable(save_every=0)
    def run_static(number: int) -> tuple[str, int]:
        return Importer.static(number)


class Offspring(Importer):
    __slots__ = ()

    @step
    def scale(self, number: int) -> int:
        return -self.factor * number


class Calling(Importer):
    """Its step calls the one that it overrides."""

    __slots__ = ()

    @step
    def scale(self, number: int) -> int:
        return 1 + super().scale(number)


class Attended(NoKeeper):
    """As a worker's: what is done beside the continuable would be lost."""

    attended = True


def continuing(
    *completed: Completed, keeper: NoKeeper | None = None
) -> AbstractContextManager[None]:
    """Inside, steps belong to one execution, and these have completed in an earlier one."""
    record = Record(Run("", None), completed=list(completed))
    return entered(Continuation(record, keeper or NoKeeper()))


def in_thread(call: Callable[[], Any]) -> Any:
    """What the call returns, or the error that it raises, in a thread of its own."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(call())
        except InvalidStepError as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return outcome[0]


# What remains of the function


@pytest.mark.parametrize(
    ("decorated", "name", "doc"),
    [
        (double, "double", "Twice as much."),
        (awaited, "awaited", "A step that is awaited."),
        (process, "process", "Doubled, and multiplied."),
        (Importer.scale, "Importer.scale", "Times the factor."),
        (Importer().scale, "Importer.scale", "Times the factor."),
        (double.with_options(name="other"), "double", "Twice as much."),
    ],
)
def test_names_and_docstring_are_the_functions_own(decorated: Any, name: str, doc: str) -> None:
    assert decorated.__qualname__ == name
    assert decorated.__name__ == name.rpartition(".")[2]
    assert decorated.__doc__ == doc
    assert decorated.__module__ == __name__
    assert inspect.isfunction(inspect.unwrap(decorated))
    assert inspect.unwrap(decorated).__qualname__ == name


@pytest.mark.parametrize(
    ("decorated", "signature"),
    [
        (double, "(number: 'int') -> 'int'"),
        (listed, "(*more: 'int', last: 'int' = 9) -> 'list[int]'"),
        (awaited, "(number: 'int') -> 'tuple[str, int]'"),
        (process, "(number: 'int', *, times: 'int' = 1) -> 'int'"),
        (process_async, "(number: 'int') -> 'tuple[str, int]'"),
        (Importer.scale, "(self, number: 'int') -> 'int'"),
        (Importer.handed, "(self, number: 'int' = 0) -> 'tuple[int, int, int]'"),
        (Importer().handed, "(number: 'int' = 0) -> 'tuple[int, int, int]'"),
        (Importer().scale.with_options(name="x"), "(number: 'int') -> 'int'"),
        (Importer.of_class, "(number: 'int') -> 'tuple[str, str, int]'"),
        (Importer().of_class, "(number: 'int') -> 'tuple[str, str, int]'"),
        (Importer.static, "(number: 'int') -> 'tuple[str, int]'"),
        (Importer().static, "(number: 'int') -> 'tuple[str, int]'"),
        (Importer().run, "(number: 'int') -> 'int'"),
    ],
)
def test_the_signature_is_the_functions_own_less_the_step(decorated: Any, signature: str) -> None:
    assert str(inspect.signature(decorated)) == signature


def test_a_continuable_is_a_function() -> None:
    assert inspect.isfunction(process)
    assert inspect.ismethod(Importer().run)
    assert inspect.iscoroutinefunction(process_async) == (sys.version_info >= (3, 12))
    assert not inspect.iscoroutinefunction(process)


def test_a_step_that_is_awaited_is_seen_to_be_one_where_python_can_be_told() -> None:
    told = sys.version_info >= (3, 12)
    assert inspect.iscoroutinefunction(awaited) is told
    assert inspect.iscoroutinefunction(Importer().awaited) is told
    assert inspect.iscoroutinefunction(awaited.with_options(name="x")) is told
    assert not inspect.iscoroutinefunction(double)


def test_attributes_of_the_function_stay() -> None:
    def function() -> None:
        """Has an attribute."""

    vars(function)["note"] = "kept"
    assert vars(step(function))["note"] == "kept"
    assert vars(continuable(function))["note"] == "kept"


def test_a_step_shows_its_name() -> None:
    assert repr(double) == "<step 'double'>"
    assert repr(double.with_options(name="other")) == "<step 'other'>"
    assert repr(["bound", Importer.scale.__get__("an instance")]) == (
        "['bound', <bound <step 'scale'> of 'an instance'>]"
    )


# Where the Step goes


def test_the_first_parameter_is_handed_the_step_if_it_is_named_so() -> None:
    assert listed(4, 5, last=6) == [3, 4, 5, 6]


def test_in_methods_the_step_comes_after_self_or_cls() -> None:
    assert Importer(7).handed(8) == (7, 1, 8)
    assert Importer(7).handed(number=8) == (7, 1, 8)
    assert Importer.handed(Importer(7), 8) == (7, 1, 8)
    assert Importer.of_class(8) == ("Importer", "of_class", 8)
    assert Importer().of_class(8) == ("Importer", "of_class", 8)
    assert Offspring.of_class(number=8) == ("Offspring", "of_class", 8)
    assert Offspring.of_class_alone(8) == ("Offspring", 8)


def test_a_static_method_is_handed_its_step_as_a_function_is() -> None:
    assert Importer.static(8) == ("static", 8)
    assert Importer().static(number=8) == ("static", 8)


def test_a_closure_is_handed_its_step() -> None:
    seen = []

    @step
    def closure(step: Step, number: int) -> None:
        seen.append((step.name, number))

    closure(4)
    assert seen == [("closure", 4)]


def test_a_positional_only_step_is_handed_too() -> None:
    @step
    def positional(step: Step, number: int, /) -> tuple[str, int]:
        return step.name, number

    unchecked: Any = positional  # type checkers go by names
    assert unchecked(4) == ("positional", 4)


def test_a_function_is_handed_its_step_through_decorators_below() -> None:
    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return "logged", function(*args, **kwargs)

        return wrapper

    @step
    @logged
    def wrapped(step: Step, number: int) -> tuple[str, int]:
        return step.name, number

    assert wrapped(4) == ("logged", ("wrapped", 4))


def test_a_parameter_of_that_name_elsewhere_is_the_callers() -> None:
    @step
    def numbers(start: int, step: int) -> list[int]:
        return list(range(start, 10, step))

    assert numbers(1, 4) == [1, 5, 9]
    assert numbers(1, step=8) == [1, 9]


def test_a_step_that_the_caller_passes_is_one_argument_too_many() -> None:
    given = current.loose_step(StepOptions("given"))
    unchecked: Any = Importer().handed
    with pytest.raises(TypeError, match="multiple values for argument 'step'"):
        unchecked(step=given)
    with pytest.raises(TypeError, match="takes from 2 to 3 positional arguments but 4 were given"):
        unchecked(given, 4)


# Outside a continuable


@step
def careless(numbers: list[int]) -> None:
    list(step.each(numbers))  # type: ignore[attr-defined]  # the mistake that is told of


@step
async def carelessly_awaited() -> None:
    step.set(5)  # type: ignore[attr-defined]  # the same


@step
def otherwise_wrong(step: Step) -> None:
    careless.each([1])  # type: ignore[attr-defined]  # another mistake, which Python tells of


@step
def wrong_of_itself() -> None:
    sys.each([1])  # type: ignore[attr-defined]  # and another


@pytest.mark.parametrize("inside", [True, False], ids=["in a continuable", "outside"])
def test_a_step_that_forgot_to_take_its_step_is_told_so(inside: bool) -> None:
    with (
        continuing() if inside else nullcontext(),
        pytest.raises(TypeError) as told,
    ):
        careless([1])
    assert str(told.value) == (
        "careless uses step.each and takes no Step: make its first parameter "
        "(after self or cls) step: Step; the caller does not pass it"
    )
    with pytest.raises(TypeError, match=r"^carelessly_awaited uses step\.set and takes no Step: "):
        asyncio.run(carelessly_awaited())


@pytest.mark.parametrize("wrong", [otherwise_wrong, wrong_of_itself])
def test_other_attribute_errors_are_left_as_they_are(wrong: Any) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'each'"):
        wrong()


def test_outside_a_continuable_a_step_is_the_plain_function() -> None:
    assert [double(2), double(2), double(number=3)] == [4, 4, 6]
    assert Importer(3).scale(5) == 15
    assert list(map(double, [1, 2])) == [2, 4]
    assert functools.partial(double, 5)() == 10


def test_outside_a_continuable_the_step_never_interrupts() -> None:
    @step(name="counted", start=5)
    def counted(step: Step) -> list[object]:
        begin = [step.name, step.cursor, step.resumed, step.stopping]
        step.checkpoint()
        step.set(8)
        step.advance()
        step.interrupt(wait=100)
        step.save()
        return [*begin, step.cursor]

    assert counted() == ["counted", 5, False, False, 9]
    assert counted() == ["counted", 5, False, False, 9]


def test_outside_a_continuable_a_step_is_awaited_as_the_plain_function() -> None:
    assert asyncio.run(awaited(4)) == ("awaited", 4)
    assert asyncio.run(Importer(2).awaited(4)) == ("awaited", 8)


def test_outside_a_continuable_steps_may_call_steps() -> None:
    @step
    def outer(step: Step) -> int:
        return double(4)

    assert outer() == 8


def test_a_function_that_takes_no_step_costs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def make_none(options: object) -> Step:
        raise AssertionError("made a Step")

    monkeypatch.setattr(current, "loose_step", make_none)
    assert double(2) == 4
    with pytest.raises(AssertionError, match="made a Step"):
        listed()


def test_a_threads_own_steps_are_plain_where_no_worker_runs_a_continuable() -> None:
    with continuing():
        assert in_thread(lambda: [double(2), double(2)]) == [4, 4]


# Inside one


def test_in_a_continuable_a_step_counts() -> None:
    with continuing():
        assert double(2) == 4
        with pytest.raises(InvalidStepError, match="step 'double' has been called already"):
            double(2)


def test_a_completed_step_is_skipped_whatever_it_is_called_with() -> None:
    with continuing(Completed("double", 42), Completed("listed", "kept"), Completed("scale", 1)):
        kept: list[object] = [double(1), listed(), Importer().scale(5)]
        assert kept == [42, "kept", 1]
        assert Importer(2).handed(6) == (2, 1, 6)


def test_a_completed_step_that_is_awaited_is_skipped() -> None:
    async def run() -> object:
        return await awaited(4)

    with continuing(Completed("awaited", "kept")):
        assert asyncio.run(run()) == "kept"


def test_methods_of_all_kinds_count_by_their_names() -> None:
    with continuing(Completed("static", 1), Completed("of_class", 2), Completed("awaited", 3)):
        kept: list[object] = [Importer.static(9), Importer.of_class(9)]
        assert [*kept, asyncio.run(Importer().awaited(9))] == [1, 2, 3]


def test_a_continuable_that_is_called_runs_straight_through_each_time() -> None:
    assert [process(3), process(3, times=2), process(number=4)] == [6, 12, 8]
    assert asyncio.run(process_async(4)) == ("awaited", 4)


def test_methods_of_all_kinds_are_continuables() -> None:
    assert Importer(10).run(2) == 40
    assert Offspring(10).run(2) == -40
    assert asyncio.run(Importer(10).run_async(2)) == ("awaited", 20)
    assert Offspring.run_class(2) == ("Offspring", "of_class", 2)
    assert Importer().run_static(2) == ("static", 2)


def test_the_error_of_a_continuable_that_is_called_is_the_callers() -> None:
    @continuable
    def failing() -> None:
        double(1)
        raise ValueError("seen")

    with pytest.raises(ValueError, match="seen"):
        failing()
    assert current.current("this test") is None
    with pytest.raises(ValueError, match="seen"):
        failing()


def test_a_continuable_called_in_a_continuable_is_a_plain_function() -> None:
    @continuable
    def outer() -> int:
        return process(1) + double.with_options(name="other")(1)

    @continuable
    def twice() -> int:
        return process(1) + process(1)

    assert outer() == 4
    with pytest.raises(InvalidStepError, match="step 'double' has been called already"):
        twice()


def test_an_async_continuable_in_a_continuable_is_a_plain_function() -> None:
    @continuable
    async def twice() -> None:
        await process_async(1)
        await process_async(1)

    with pytest.raises(InvalidStepError, match="step 'awaited' has been called already"):
        asyncio.run(twice())


def test_a_sync_step_counts_in_an_async_continuable() -> None:
    @continuable
    async def mixed() -> list[object]:
        return [double(1), await awaited(2), Importer(3).scale(3)]

    @continuable
    async def twice() -> None:
        double(1)
        double(1)

    assert asyncio.run(mixed()) == [2, ("awaited", 2), 9]
    with pytest.raises(InvalidStepError, match="step 'double' has been called already"):
        asyncio.run(twice())


def test_two_steps_that_are_awaited_at_once_are_refused() -> None:
    @continuable
    async def at_once() -> None:
        await asyncio.gather(awaited(1), awaited.with_options(name="other")(2))

    message = "step 'other' is nested inside step 'awaited', or called beside it: one at a time"
    with pytest.raises(InvalidStepError, match=message):
        asyncio.run(at_once())


def test_a_step_is_refused_in_another_thread_than_its_continuables() -> None:
    with continuing(keeper=Attended()):
        refusal = in_thread(lambda: double(2))
    assert str(refusal) == (
        "step 'double' was called from another thread than its continuable's: it would not count"
    )
    assert in_thread(lambda: double(2)) == 4


def test_a_step_is_refused_in_a_context_that_knows_nothing_of_its_continuable() -> None:
    with continuing(keeper=Attended()), pytest.raises(InvalidStepError) as refusal:
        contextvars.Context().run(double, 2)
    assert str(refusal.value) == (
        "step 'double' was called in another context than its continuable's: it would not count"
    )
    assert contextvars.Context().run(double, 2) == 4


def test_an_async_step_is_refused_in_a_task_that_knows_nothing_of_its_continuable() -> None:
    async def in_a_task_of_its_own() -> None:
        await contextvars.Context().run(asyncio.get_running_loop().create_task, awaited(1))

    with (
        continuing(keeper=Attended()),
        pytest.raises(InvalidStepError, match="step 'awaited' was called in another context"),
    ):
        asyncio.run(in_a_task_of_its_own())


def test_a_continuable_is_refused_in_another_thread_than_the_jobs() -> None:
    @continuable
    def inner() -> int:
        return double(2)

    @continuable
    async def inner_async() -> int:
        return double(2)

    with continuing(keeper=Attended()):
        refusals = [in_thread(inner), in_thread(lambda: asyncio.run(inner_async()))]
    for name, refusal in zip(["inner", "inner_async"], refusals, strict=True):
        assert str(refusal) == (
            f"continuable '{name}' was called from another thread than the job's: "
            "its steps would not count"
        )
    assert [in_thread(inner), in_thread(lambda: asyncio.run(inner_async()))] == [4, 4]


def test_a_step_is_refused_in_a_thread_that_carries_the_context() -> None:
    @continuable
    async def handing_over() -> None:
        await asyncio.to_thread(double, 2)

    with pytest.raises(InvalidStepError, match=r"^step 'double' was called from another thread "):
        asyncio.run(handing_over())
    with continuing():
        context = contextvars.copy_context()
        refusal = in_thread(lambda: context.run(asyncio.run, awaited(2)))
    assert str(refusal) == "step 'awaited' was called from another thread than its continuable's"
    with continuing():
        context = contextvars.copy_context()
        refusal = in_thread(lambda: context.run(process, 2))
    found = "continuable 'process' was called from another thread than its continuable's"
    assert str(refusal) == found


def test_a_step_is_refused_when_its_continuable_has_ended() -> None:
    with continuing():
        context = contextvars.copy_context()
    with pytest.raises(InvalidStepError, match=r"^step 'double' was called after its continuable "):
        context.run(double, 2)


def test_one_step_works_in_many_threads_at_once() -> None:
    @continuable
    def run(number: int) -> tuple[int, int]:
        return Importer(number).scale(2), process(number)

    together = threading.Barrier(8)

    def meet(number: int) -> object:
        together.wait(30)
        return run(number)

    outcomes: dict[int, object] = {}
    threads = [threading.Thread(target=lambda n=n: outcomes.update({n: meet(n)})) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {number: (2 * number, 2 * number) for number in range(8)}


# Declared, and called


def test_a_step_declared_in_a_continuable_and_never_called_is_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @continuable
    def forgetful() -> None:
        @step
        def forgotten() -> None:
            raise AssertionError

        @step(name="called")
        def called() -> None:
            """Called by its other name."""

        called.with_options(name="otherwise")()

    with caplog.at_level(logging.WARNING, logger="rq_steps"):
        forgetful()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "step 'forgotten' was declared and never called" in caplog.text


def test_an_async_continuable_warns_of_what_it_never_called(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @continuable
    async def forgetful() -> None:
        @step
        async def forgotten() -> None: ...

    with caplog.at_level(logging.WARNING, logger="rq_steps"):
        asyncio.run(forgetful())
    assert "step 'forgotten' was declared and never called" in caplog.text


def test_steps_of_a_module_that_a_continuable_imports_are_not_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module = (
        "from rq_steps import step\n\n@step\ndef one():\n    pass\n\n@step\ndef two():\n    pass\n"
    )
    (tmp_path / "steps_imported_late.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)

    @continuable
    def importing() -> None:
        importlib.import_module("steps_imported_late").one()

    with caplog.at_level(logging.WARNING, logger="rq_steps"):
        importing()
    assert caplog.text == ""


# with_options


def test_under_another_name_a_step_can_be_called_again() -> None:
    @continuable
    def sharded() -> list[int]:
        return [double.with_options(name=f"shard-{number}")(number) for number in range(3)]

    assert sharded() == [0, 2, 4]
    with continuing(Completed("shard-0", 100), Completed("shard-1", 200)):
        assert double.with_options(name="shard-0")(0) == 100
        assert double.with_options(name="shard-1")(1) == 200
        assert double.with_options(name="shard-2")(2) == 4


def test_with_options_of_a_method_stays_bound() -> None:
    assert Importer(7).handed.with_options(start=5)(2) == (7, 5, 2)
    assert Importer.handed.with_options(start=5)(Importer(7), 2) == (7, 5, 2)
    assert asyncio.run(Importer(7).awaited.with_options(name="other")(2)) == ("other", 14)
    assert Importer(7).static.with_options(name="other")(2) == ("other", 2)


def test_options_that_are_not_given_stay() -> None:
    @step(name="first", start=5)
    def shown(step: Step) -> tuple[str, object]:
        return step.name, step.cursor

    other = shown.with_options(name="second")
    assert other() == ("second", 5)
    assert other.with_options(start=0)() == ("second", 0)
    assert other.with_options(start=None)() == ("second", None)
    assert shown() == ("first", 5)


def test_isolated_stays_and_can_be_changed() -> None:
    class Isolating(Attended):
        """Interrupts nothing but what is isolated."""

    @step(isolated=True)
    def alone() -> None:
        """Runs in an execution of its own."""

    def second(call: Callable[[], object]) -> str | None:
        continuation = Continuation(Record(Run("", None)), Isolating())
        with entered(continuation):
            double(1)
            try:
                call()
            except Interrupt as interrupt:
                return str(interrupt)
        return None

    assert second(alone) == "isolated"
    assert second(alone.with_options(name="x")) == "isolated"
    assert second(alone.with_options(isolated=False)) is None
    assert second(functools.partial(Importer().scale.with_options(isolated=True), 1)) == "isolated"


# As an attribute of a class


def test_a_step_can_be_overridden() -> None:
    with continuing():
        assert Offspring(10).scale(2) == -20
        assert Offspring(10).handed(2) == (10, 1, 2)
    assert Importer.scale(Offspring(10), 2) == 20


def test_a_step_that_calls_the_one_it_overrides_is_a_step_in_a_step() -> None:
    with (
        continuing(),
        pytest.raises(InvalidStepError, match="step 'scale' is nested inside step 'scale'"),
    ):
        Calling(10).scale(2)
    assert Calling(10).scale(2) == 21


def test_a_plain_method_may_override_a_step_and_call_it() -> None:
    class Bracketing(Importer):
        __slots__ = ()

        def scale(self, number: int) -> int:  # type: ignore[override]  # no step, so no with_options
            return 1 + super().scale(number)

    with continuing(Completed("scale", 100)):
        assert Bracketing(10).scale(2) == 101


def test_bound_steps_are_equal_as_bound_methods_are() -> None:
    one, other = Importer(), Importer()
    assert one.scale == one.scale
    assert hash(one.scale) == hash(one.scale)
    assert one.scale != other.scale
    assert one.scale != one.handed
    assert one.scale != one.scale.with_options(name="other")
    assert one.scale != "scale"
    assert len({one.scale, one.scale, other.scale}) == 2


def test_a_bound_step_tells_what_it_is_bound_to() -> None:
    importer = Importer()
    assert importer.scale.__self__ is importer
    assert importer.scale.__func__ is Importer.scale


def test_an_abstract_step_has_to_be_overridden() -> None:
    class Abstract(abc.ABC):
        @step
        @abc.abstractmethod
        def below(self, step: Step) -> None: ...

        @abc.abstractmethod
        @step
        def above(self) -> None: ...

    class Concrete(Abstract):
        @step
        def below(self, step: Step) -> None: ...

        @step
        def above(self) -> None: ...

    with pytest.raises(TypeError, match=r"abstract methods '?above'?, '?below'?"):
        Abstract()  # type: ignore[abstract]  # what is tested
    Concrete().above()


# Pickled


@pytest.mark.parametrize("way", [pickle.dumps, functools.partial(pickle.dumps, protocol=0)])
def test_a_step_of_a_module_is_pickled_by_name(way: Callable[[Any], bytes]) -> None:
    for each in (double, listed, awaited, Importer.handed, Importer.static):
        assert pickle.loads(way(each)) is each


def test_a_bound_step_is_pickled_with_its_instance() -> None:
    again = pickle.loads(pickle.dumps(Importer(7).handed))
    assert again(2) == (7, 1, 2)
    assert again == again.__self__.handed
    assert pickle.loads(pickle.dumps(Offspring.of_class))(2) == ("Offspring", "of_class", 2)


def test_what_has_no_name_of_its_own_is_not_pickled_as_something_else() -> None:
    @step
    def closure() -> None: ...

    for each in (
        closure,
        double.with_options(name="x"),
        Importer().scale.with_options(name="x"),
        super(Offspring, Offspring()).scale,
    ):
        with pytest.raises((pickle.PicklingError, AttributeError), match=r"an('|no)t (pickle|get)"):
            pickle.dumps(each)


def test_a_step_is_copied_as_a_function_is() -> None:
    assert copy.copy(double) is double
    assert copy.deepcopy([double]) == [double]
    importer = Importer(7)
    assert copy.deepcopy(importer.scale).__self__ is not importer
    assert copy.deepcopy(importer.scale)(2) == 14


# Enqueued


def result_of(
    connection: Redis,
    function: Callable[..., Any],
    *args: Any,
    worker: type[SimpleWorker | Worker] = SimpleWorker,
) -> Any:
    """What a worker returns for it."""
    queue = Queue(connection=connection)
    job = queue.enqueue(function, *args)
    worker([queue], connection=connection).work(burst=True)
    job.refresh()
    return job.return_value()


def test_an_enqueued_step_runs_as_the_plain_function(connection: Redis) -> None:
    assert result_of(connection, double, 4) == 8
    assert result_of(connection, listed, 4) == [3, 4, 9]
    assert result_of(connection, Importer(7).handed, 4) == (7, 1, 4)
    assert result_of(connection, Importer.static, 4) == ("static", 4)
    assert result_of(connection, Importer.of_class, 4) == ("Importer", "of_class", 4)


def test_an_enqueued_continuable_is_named_and_runs(connection: Redis) -> None:
    assert Queue(connection=connection).enqueue(process, 4).func_name == f"{__name__}.process"
    assert result_of(connection, process, 4) == 8
    assert result_of(connection, Importer(10).run, 2) == 40
    assert result_of(connection, Importer.run_class, 2) == ("Importer", "of_class", 2)
    assert result_of(connection, Importer.run_static, 2) == ("static", 2)


def test_what_is_awaited_can_be_enqueued(connection: Redis) -> None:
    # In a work-horse: RQ before 3 leaves the event loop open.
    assert result_of(connection, awaited, 4, worker=Worker) == ("awaited", 4)
    assert result_of(connection, process_async, 4, worker=Worker) == ("awaited", 4)


def test_a_continuable_on_a_queue_that_is_not_asynchronous_runs_at_once(connection: Redis) -> None:
    job = Queue(connection=connection, is_async=False).enqueue(process, 4)
    assert job.return_value() == 8


def test_decorating_and_calling_load_no_rq() -> None:
    code = """
import sys
from rq_steps import Step, continuable, step

@step
def handed(step: Step, number):
    return list(step.each(range(number)))

@continuable
def run(number):
    return handed(number)

assert run(3) == [0, 1, 2]
loaded = sorted(name for name in sys.modules if name.partition(".")[0] in ("rq", "redis"))
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# Refused


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


class Callables:
    def __call__(self) -> None: ...

    def method(self) -> None: ...


DECORATORS = [
    pytest.param(continuable, "@continuable", id="continuable"),
    pytest.param(continuable(), "@continuable", id="continuable()"),
    pytest.param(step, "@step", id="step"),
    pytest.param(step(), "@step", id="step()"),
]


@pytest.mark.parametrize(("decorate", "decorator"), DECORATORS)
@pytest.mark.parametrize(
    ("undecoratable", "message"),
    [
        (generator, "@ on the generator function generator: calling it would run nothing; "),
        (async_generator, "@ on the generator function async_generator: calling it would run no"),
        (Callables, f"@ decorates a function, and takes its options by name: found {Callables!r}"),
        (Callables(), "@ decorates a function, and takes its options by name: found <"),
        (Callables().method, "@ decorates a function, and takes its options by name: found <bound"),
        (len, "@ decorates a function, and takes its options by name: found <built-in function"),
        (functools.partial(generator), "@ decorates a function, and takes its options by name: f"),
        (property(len), "@ decorates a function, and takes its options by name: found <property"),
        ("name", "@ decorates a function, and takes its options by name: found 'name'"),
        (5, "@ decorates a function, and takes its options by name: found 5"),
        (vars(Importer)["of_class"], "write @classmethod above @, not below it"),
        (vars(Importer)["static"], "write @staticmethod above @, not below it"),
        (double, "@ over @step: double is a step already"),
        (Importer().scale, "@ over @step: Importer.scale is a step already"),
        (process, "@ over @continuable: process is a continuable already"),
        (process_async, "@ over @continuable: process_async is a continuable already"),
    ],
)
def test_what_cannot_be_decorated_is_refused(
    decorate: Any, decorator: str, undecoratable: object, message: str
) -> None:
    with pytest.raises(TypeError) as refusal:
        decorate(undecoratable)
    assert str(refusal.value).startswith(
        message.replace("@ ", f"{decorator} ").replace("@,", f"{decorator},")
    )


def test_a_decorator_between_does_not_hide_a_continuable() -> None:
    @functools.wraps(process)
    def between(number: int) -> int:
        return process(number)

    with pytest.raises(TypeError, match="process is a continuable already"):
        continuable(between)


MISPLACED = "only a @step is handed one, as its first parameter (after self or cls), named step"


def second_parameter(number: int, step: Step) -> None: ...
def other_name(handle: Step) -> None: ...
def keyword_only(*, step: Step) -> None: ...
def other_self(this: object, step: Step) -> None: ...
def two(step: Step, other: Step) -> None: ...


@pytest.mark.parametrize(
    ("function", "parameter"),
    [
        (second_parameter, "step"),
        (other_name, "handle"),
        (keyword_only, "step"),
        (other_self, "step"),
        (two, "other"),
    ],
)
def test_a_step_where_none_is_handed_is_refused(
    function: Callable[..., None], parameter: str
) -> None:
    with pytest.raises(TypeError) as refusal:
        step(function)
    found = f"{function.__name__}: found a Step as parameter '{parameter}'; "
    assert str(refusal.value) == found + MISPLACED


def test_a_continuable_is_handed_no_step() -> None:
    def asking(step: Step) -> None: ...

    with pytest.raises(TypeError, match="asking: found a Step as parameter 'step'; only a @step"):
        continuable(asking)


def test_somebody_elses_class_of_that_name_is_no_step() -> None:
    class Stride:
        """Of somebody who walks."""

    def walk(length: int, stride: Any) -> int:
        return length

    walk.__annotations__["stride"] = Stride
    Stride.__name__ = "Step"
    assert step(walk)(3, Stride()) == 3


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"name": ""}, ValueError, "name must not be empty"),
        ({"name": 5}, TypeError, "name must be a string, found 5"),
        ({"isolated": 1}, TypeError, "isolated must be True or False, found 1"),
        ({"isolated": "yes"}, TypeError, "isolated must be True or False, found 'yes'"),
        ({"begin": 1}, TypeError, "unexpected keyword argument 'begin'"),
    ],
)
def test_bad_options_of_a_step_are_named(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        step(**options)(lambda: None)
    with pytest.raises(error, match=message):
        double.with_options(**options)
    with pytest.raises(error, match=message):
        Importer().scale.with_options(**options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"max_resumptions": -1}, ValueError, "max_resumptions must not be negative, found -1"),
        ({"max_resumptions": 1.5}, TypeError, "max_resumptions must be a whole number or None"),
        ({"max_resumptions": True}, TypeError, "max_resumptions must be a whole number or None"),
        (
            {"resume_wait": None},
            TypeError,
            "resume_wait must be a number of seconds or a timedelta",
        ),
        ({"resume_wait": "5"}, TypeError, "resume_wait must be .* found '5'"),
        ({"resume_wait": -1}, ValueError, "resume_wait must be finite and not negative, found -1"),
        ({"resume_wait": float("inf")}, ValueError, "resume_wait must be finite"),
        ({"resume_queue": ""}, ValueError, "resume_queue must not be empty"),
        ({"resume_queue": Queue}, TypeError, "resume_queue must be a string, found <class"),
        ({"resume_errors": "no"}, TypeError, "resume_errors must be True or False, found 'no'"),
        ({"error_wait": []}, ValueError, "error_wait must not be empty"),
        ({"error_wait": [1, "x"]}, TypeError, "error_wait must be .* found 'x'"),
        ({"error_wait": [1, -2]}, ValueError, "error_wait must be .* found -2"),
        ({"error_wait": {1, 2}}, TypeError, "error_wait must be .* found {1, 2}"),
        ({"max_runtime": 0}, ValueError, "max_runtime must be greater than 0, found 0"),
        ({"max_runtime": "1h"}, TypeError, "max_runtime must be .* found '1h'"),
        ({"max_total_runtime": timedelta(-1)}, ValueError, "max_total_runtime must be finite and"),
        ({"max_total_runtime": float("nan")}, ValueError, "max_total_runtime must be finite and"),
        ({"save_every": None}, TypeError, "save_every must be a number of seconds or a timedelta"),
        ({"save_every": True}, TypeError, "save_every must be a number of seconds or a timedelta"),
        ({"save_often": 1}, TypeError, "unexpected keyword argument 'save_often'"),
    ],
)
def test_bad_options_of_a_continuable_are_named(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        continuable(**options)


def test_good_options_of_a_continuable_are_taken() -> None:
    decorate = continuable(
        max_resumptions=0,
        resume_wait=timedelta(minutes=1),
        resume_queue="other",
        resume_errors=False,
        error_wait=(1, timedelta(seconds=2), 3.5),
        max_runtime=0.5,
        max_total_runtime=timedelta(days=1),
        save_every=0,
    )
    assert decorate(lambda: double(2))() == 4


def test_with_options_of_a_class_method_is_refused_since_it_would_lose_the_class() -> None:
    refused: Any = Importer.of_class
    with pytest.raises(TypeError, match=r"on the class method Importer.of_class would lose the"):
        refused.with_options(name="other")

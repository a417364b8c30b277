"""Random programs under random interruptions, against the uninterrupted run."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rq_steps import Interrupt, Step, continuable, step
from rq_steps.keeper import Departure
from rq_steps.signals import handling
from rq_steps.sources.page import ListPage, Page
from rq_steps.sources.protocol import PagedSource
from tests.unit.instructions import Instructions
from tests.unit.memory import Crash, Execution, Job

Visit: TypeAlias = tuple[int, int]
"""The number of a step, and an item of its."""

OWN = "asked for by the job"


class Failure(Exception):
    """Raised by an item that is not done yet."""


class Column:
    """A sequence that is neither a list nor a Sequence, as an array of numpy's."""

    def __init__(self, items: Iterable[int]) -> None:
        self.items = list(items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> int:
        return self.items[index]


# Programs


@dataclass(frozen=True)
class Task:
    """A step of a random program. Its items are the numbers from `start` to `length`."""

    kind: str = "plain"
    length: int = 3
    start: int = 0
    isolated: bool = False
    checkpoints: bool = False
    """Does each item begin with a checkpoint?"""
    swallows: str = ""
    """Where user code swallows the Interrupt: around such a checkpoint, the loop or the step. Not
    around that of a plain step, which would do its work and do it again."""
    shared: bool = False
    """Is it one function, called again and again under other names?"""
    nested: bool = False
    """Is it called in a continuable within the continuable?"""
    result: Any = None

    @property
    def items(self) -> range:
        if self.kind == "plain":
            return range(1)
        return range(min(self.start, self.length), self.length)

    @property
    def first_cursor(self) -> object:
        start = self.items.start
        return {"set": (start, "next"), "each pages": [start]}.get(self.kind, start)

    def done(self, cursor: Any) -> int:
        """How many items a cursor has behind it."""
        at = cursor[0] if self.kind in ("set", "each pages") else cursor
        return int(at) - self.items.start


Program: TypeAlias = tuple[Task, ...]


class Leaves(PagedSource[int]):
    """Two items a page, and a page without any behind it."""

    def __init__(self, items: range) -> None:
        self.numbers = items

    def pages(self, cursor: Any) -> Iterator[Page[int]]:
        for first in range(cursor[0], len(self.numbers), 2):
            leaf = self.numbers[first : first + 2]
            yield Leaf(leaf, first)
            yield Leaf(range(0), first + len(leaf))


class Leaf(ListPage[int]):
    def __init__(self, items: range, first: int) -> None:
        self.items = list(items)
        self.first = first

    def cursor(self, done: int) -> list[int]:
        return [self.first + done]


SOURCES = {
    "each list": list,
    "each tuple": tuple,
    "each range": lambda items: items,
    "each deque": deque,
    "each numpy-like": Column,
    "each iterator": iter,
    "each dict": dict.fromkeys,
    "each pages": Leaves,
}
KINDS = ["plain", "set", "advance", "each generator", *SOURCES]


@dataclass(frozen=True)
class Plan:
    """What happens in one execution."""

    native: bool = True
    every: bool = False
    """Does every checkpoint call the keeper?"""
    leave_at: int | None = None
    """The keeper leaves when it is called so often."""
    saves_at: frozenset[int] = frozenset()
    """It saves when it is called so often."""
    reason: str = "stopping"
    happenings: dict[int, str] = field(default_factory=dict)
    """What happens at which moment of user code."""
    throughout: str = ""
    """What happens at every other moment."""


class Run:
    """A program on its way through its executions, and what it has done."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.job = Job()
        self.visits: list[Visit] = []
        self.trace: list[Visit | str] = []
        self.plan = Plan()
        self.around: AbstractContextManager[object] = nullcontext()
        self.left_explicitly = False
        self._moment = 0
        self._leaving = False
        self._explicit = False
        self._allowed: int | None = None

    def execute(self, plan: Plan) -> Execution:
        self.plan, self._moment, self._leaving, self._explicit = plan, 0, False, False
        self._allowed = None
        self.job.native = plan.native
        with handling(signal.SIGUSR1, self.call):
            return self.job.execute(self._continuable, self._attend, every=plan.every)

    @property
    def expected(self) -> list[Visit]:
        return [(number, item) for number, task in enumerate(self.program) for item in task.items]

    @property
    def position(self) -> int:
        """How many of the expected visits are behind what was saved."""
        completed = len(self.job.record.completed)
        done = sum(len(task.items) for task in self.program[:completed])
        cursor = Execution(self.job).continuation.place[1]
        if self.job.record.current is None or self.program[completed].kind == "plain":
            return done
        return done + self.program[completed].done(cursor)

    @property
    def progress(self) -> tuple[int, int]:
        return len(self.job.record.completed), self.position

    # The program

    def _continuable(self) -> list[Any]:
        results: list[Any] = []
        with self.around:
            for number, task in enumerate(self.program):
                with swallowing(task.swallows == "step"):
                    results.append(self._call(number, task))
        return results

    def _call(self, number: int, task: Task) -> Any:
        if not task.nested:
            return self._call_step(number, task)

        @continuable
        def within() -> Any:
            return self._call_step(number, task)

        return within()

    def _call_step(self, number: int, task: Task) -> Any:
        if task.shared:
            renamed = shared.with_options(
                name=f"step-{number}", start=task.first_cursor, isolated=task.isolated
            )
            return renamed(self, number, task)

        @step(name=f"step-{number}", start=task.first_cursor, isolated=task.isolated)
        def own(step: Step) -> Any:
            return self.body(step, number, task)

        return own()

    def body(self, step: Step, number: int, task: Task) -> Any:
        with swallowing(task.swallows == "loop"):
            self._loop(step, number, task)
        self._happen(step, undone=False)
        return task.result

    def _loop(self, step: Step, number: int, task: Task) -> None:
        if task.kind == "plain":
            self._visit(step, number, task, 0)
        elif task.kind == "set":
            for item in range(step.cursor[0], task.items.stop):
                self._visit(step, number, task, item)
                step.set((item + 1, "next"))
        elif task.kind == "advance":
            while step.cursor < task.items.stop:
                self._visit(step, number, task, step.cursor)
                step.advance()
        else:
            for item in step.each(self._source(step, task)):
                assert task.done(step.cursor) == item - task.items.start
                self._visit(step, number, task, item)
            assert task.done(step.cursor) == len(task.items)

    def _source(self, step: Step, task: Task) -> Iterable[int]:
        if task.kind == "each generator":
            return self._generate(step, task)
        return SOURCES[task.kind](range(task.items.stop))  # type: ignore[no-any-return, operator]  # mypy sees object

    def _generate(self, step: Step, task: Task) -> Iterator[int]:
        """Where an Interrupt of its is swallowed, the item before it is done once more."""
        for item in range(task.items.stop):
            if item >= step.cursor and task.swallows != "loop":
                self._happen(step, undone=True)
            yield item

    def _visit(self, step: Step, number: int, task: Task, item: int) -> None:
        self._happen(step, undone=True)
        if task.checkpoints:
            self._explicit = True
            with swallowing(task.swallows == "checkpoint" and task.kind != "plain"):
                step.checkpoint()
            self._explicit = False
        self._happen(step, undone=True)
        assert self._allowed != 0, "a call is heeded before the next item or step"
        self._allowed = self._allowed and self._allowed - 1
        self.visits.append((number, item))
        self.trace.append((number, item))
        self._happen(step, undone=False)

    # What happens

    def _happen(self, step: Step, *, undone: bool) -> None:
        happening = self.plan.happenings.get(self._moment, self.plan.throughout)
        self._moment += 1
        if happening in ("call", "signal", "thread") and self._allowed is None:
            self._allowed = int(undone)
        if happening == "call":
            self.call()
        elif happening == "signal":
            signal.raise_signal(signal.SIGUSR1)
        elif happening == "thread":
            self._leaving = True
            self.job.call_from_thread()
        elif happening == "nudge":
            self.job.call(None)
        elif happening == "crash":
            raise Crash
        elif happening == "interrupt" and undone:
            step.interrupt(reason=OWN)
        elif happening == "error" and undone:
            raise Failure

    def fail(self) -> None:
        raise Failure

    def call(self) -> None:
        self._leaving = True
        self.job.call()

    def _attend(self, execution: Execution) -> Departure | None:
        self.trace.append("checkpoint")
        if execution.attended_count in self.plan.saves_at:
            execution.save()
        if self._leaving or execution.attended_count == self.plan.leave_at:
            self.left_explicitly = self._explicit
            return Departure(self.plan.reason)
        return None


@step
def shared(step: Step, run: Run, number: int, task: Task) -> Any:
    """The steps that are one function under several names."""
    return run.body(step, number, task)


def swallowing(swallows: bool) -> AbstractContextManager[None]:
    return suppress(Interrupt) if swallows else nullcontext()


# Strategies


def values() -> st.SearchStrategy[Any]:
    plain = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.dates()
    return st.recursive(
        plain | st.binary(max_size=5) | st.decimals(allow_nan=False),
        lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner),
        max_leaves=4,
    )


def seldom() -> st.SearchStrategy[bool]:
    return st.sampled_from([False, False, False, True])


def tasks() -> st.SearchStrategy[Task]:
    return st.builds(
        Task,
        kind=st.sampled_from(KINDS),
        length=st.integers(0, 5),
        start=st.sampled_from([0, 0, 0, 2]),
        isolated=seldom(),
        checkpoints=seldom(),
        swallows=st.sampled_from(["", "", "", "checkpoint", "loop", "step"]),
        shared=st.booleans(),
        nested=seldom(),
        result=values(),
    )


def programs() -> st.SearchStrategy[Program]:
    return st.lists(tasks(), min_size=1, max_size=5).map(tuple)


def plans(*happenings: str) -> st.SearchStrategy[Plan]:
    return st.builds(
        Plan,
        native=st.booleans(),
        every=seldom(),
        leave_at=st.none() | st.integers(1, 6),
        saves_at=st.frozensets(st.integers(1, 8), max_size=4),
        reason=st.sampled_from(["stopping", "max_runtime", "timeout", "paused"]),
        happenings=st.dictionaries(st.integers(0, 12), st.sampled_from(happenings), max_size=3),
    )


CALLS = ("call", "signal", "thread", "nudge")
CLEAN = (*CALLS, "interrupt", "error")

BOUNDED = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])


# Properties


def finish(run: Run, executions: int) -> Execution:
    """Let the rest of the program run undisturbed: each isolated step takes an execution."""
    for _ in range(executions):
        execution = run.execute(Plan())
        if execution.departure is None:
            assert execution.error is None, repr(execution.error)
            return execution
        assert execution.departure == Departure("isolated")
    raise AssertionError("the program does not end")


def assert_done_as_if_uninterrupted(run: Run, last: Execution) -> None:
    results = [task.result for task in run.program]
    assert repr(last.result) == repr(results)
    assert run.job.names == [f"step-{number}" for number in range(len(run.program))]
    assert run.job.record.current is None


def assert_left_as_told(run: Run, execution: Execution, before: tuple[int, int]) -> None:
    departure = execution.departure
    if departure is None:
        assert execution.error is None or isinstance(execution.error, Failure), execution.error
    elif departure.own:
        assert departure == Departure(OWN, own=True)
    elif departure.reason == run.plan.reason and run.left_explicitly:
        assert run.progress >= before
    else:
        assert departure.reason in (run.plan.reason, "isolated")
        assert run.progress > before, "every execution moves by at least one item or one step"


@BOUNDED
@given(programs(), st.lists(plans(*CLEAN), max_size=6))
@example((Task("each list", 5), Task("each generator", 5)), [Plan(happenings={2: "thread"})] * 3)
@example((Task("each generator", 5),), [Plan(happenings={2: "nudge", 4: "error"})])
@example((Task("advance", 5), Task("plain", swallows="loop")), [Plan(happenings={3: "call"})] * 3)
def test_an_interrupted_program_does_what_the_uninterrupted_one_does(
    program: Program, interruptions: list[Plan]
) -> None:
    run = Run(program)
    execution: Execution | None = None
    for plan in interruptions:
        before = run.progress
        execution = run.execute(plan)
        assert_left_as_told(run, execution, before)
        assert run.visits == run.expected[: len(run.visits)]
        assert run.position == len(run.visits)
        if execution.departure is None and execution.error is None:
            break
    else:
        execution = finish(run, 2 * len(program) + 1)
    assert run.visits == run.expected
    assert_done_as_if_uninterrupted(run, execution)


@BOUNDED
@given(programs(), st.lists(plans(*CLEAN, "crash", "crash"), max_size=6))
@example(
    (Task("each range", 5),), [Plan(every=True, saves_at=frozenset([2]), happenings={7: "crash"})]
)
def test_a_program_that_dies_goes_on_where_it_was_saved_and_skips_nothing(
    program: Program, interruptions: list[Plan]
) -> None:
    run = Run(program)
    execution: Execution | None = None
    for plan in interruptions:
        saved, seen = run.position, len(run.visits)
        execution = run.execute(plan)
        assert execution.error is None or isinstance(execution.error, Failure | Crash), (
            execution.error
        )
        visited = run.visits[seen:]
        assert visited == run.expected[saved : saved + len(visited)]
        assert run.position <= saved + len(visited)
        if execution.departure is None and execution.error is None:
            break
    else:
        saved, seen = run.position, len(run.visits)
        execution = finish(run, 2 * len(program) + 1)
        assert run.visits[seen:] == run.expected[saved:]
    assert set(run.visits) == set(run.expected)
    assert_done_as_if_uninterrupted(run, execution)


def checkpoints(program: Program) -> list[Visit | str]:
    """Where they have to be: in `set`, `advance` and `checkpoint`, between two items or steps."""
    trace: list[Visit | str] = []
    for number, task in enumerate(program):
        trace += ["checkpoint"] * (number > 0)
        by_hand = task.kind in ("set", "advance")
        for item in task.items:
            between = not by_hand and item != task.items.start
            trace += ["checkpoint"] * (between + task.checkpoints)
            trace.append((number, item))
            trace += ["checkpoint"] * by_hand
    return trace


@BOUNDED
@given(programs(), st.sampled_from(["every", "native", "generator"]))
def test_checkpoints_lie_between_two_items_or_steps_and_none_after_the_last(
    program: Program, how: str
) -> None:
    run = Run(tuple(replace(task, isolated=False) for task in program))
    if how == "every":
        run.execute(Plan(every=True))
    else:
        run.execute(Plan(native=how == "native", throughout="nudge"))
    assert run.trace == checkpoints(run.program)


@BOUNDED
@given(programs(), st.integers(1, 2000), st.booleans())
def test_a_call_at_any_instruction_of_the_machine_loses_nothing(
    program: Program, nth: int, native: bool
) -> None:
    run = Run(program)
    run.around = Instructions(nth, run.call, MACHINE)
    run.execute(Plan(native=native))
    assert run.visits == run.expected[: len(run.visits)]
    assert run.position == len(run.visits)
    finish_undisturbed(run)
    assert run.visits == run.expected


@BOUNDED
@given(programs(), st.integers(1, 2000), st.booleans())
def test_an_error_at_any_instruction_of_the_machine_skips_nothing(
    program: Program, nth: int, native: bool
) -> None:
    """As the job timeout, which is raised from a signal handler."""
    run = Run(program)
    run.around = Instructions(nth, run.fail, MACHINE)
    execution = run.execute(Plan(native=native))
    assert execution.error is None or isinstance(execution.error, Failure)
    assert run.visits == run.expected[: len(run.visits)]
    assert len(run.visits) - 1 <= run.position <= len(run.visits)
    saved, seen = run.position, len(run.visits)
    finish_undisturbed(run)
    assert run.visits[seen:] == run.expected[saved:]


def finish_undisturbed(run: Run) -> None:
    run.around = nullcontext()
    execution = finish(run, 2 * len(run.program) + 1)
    assert_done_as_if_uninterrupted(run, execution)


MACHINE = [
    f"rq_steps.{room}"
    for room in (
        "attention",
        "continuation",
        "current",
        "handle",
        "host",
        "loops.cut",
        "loops.iterator",
        "loops.pages",
        "loops.pair",
        "loops.sequence",
        "order",
        "record",
        "sources.sequence",
        "step_function",
        "successor",
        "transactions",
    )
]

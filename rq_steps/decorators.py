"""`@continuable` and `@step`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from rq_steps import current
from rq_steps.continuable_function import continuable_function
from rq_steps.options import MARK, Seconds, continuable_options, step_options
from rq_steps.signatures import ClassMethod, Method, MethodTakesStep, TakesStep, refuse_step
from rq_steps.step_function import BoundStep, StepFunction, StepMethod

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
F = TypeVar("F", bound=Callable[..., Any])


@overload
def continuable(function: F, /) -> F: ...


@overload
def continuable(
    *,
    max_resumptions: int | None = None,
    resume_wait: Seconds = 0,
    resume_queue: str | None = None,
    resume_errors: bool = True,
    error_wait: Seconds | Sequence[Seconds] = 5,
    max_runtime: Seconds | None = None,
    max_total_runtime: Seconds | None = None,
    save_every: Seconds = 1.0,
) -> Callable[[F], F]: ...


def continuable(
    function: Callable[..., Any] | None = None,
    /,
    *,
    max_resumptions: int | None = None,
    resume_wait: Seconds = 0,
    resume_queue: str | None = None,
    resume_errors: bool = True,
    error_wait: Seconds | Sequence[Seconds] = 5,
    max_runtime: Seconds | None = None,
    max_total_runtime: Seconds | None = None,
    save_every: Seconds = 1.0,
) -> Any:
    """Make a function resumable as an RQ job; its steps are the `@step`s that it calls.

    All times are seconds, as numbers or timedeltas.

    Args:
        max_resumptions: how often the job may be resumed after a stop, an error or a death.
        resume_wait: before an interrupted job is picked up again.
        resume_queue: the queue to resume on, after a death too; None for the job's own.
        resume_errors: resume after an exception, if this execution had advanced.
        error_wait: before the job is resumed after an error; of a sequence, the nth is for the
            nth error, and the last one repeats.
        max_runtime: after which an execution interrupts itself.
        max_total_runtime: of all executions together, past which the job fails.
        save_every: the most work that SIGKILL can cost. 0 saves at every checkpoint.

    Raises:
        TypeError, ValueError: an option, or what is decorated, is not what it has to be.
    """
    options = continuable_options(
        max_resumptions=max_resumptions,
        resume_wait=resume_wait,
        resume_queue=resume_queue,
        resume_errors=resume_errors,
        error_wait=error_wait,
        max_runtime=max_runtime,
        max_total_runtime=max_total_runtime,
        save_every=save_every,
    )

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        _refuse_undecoratable(function, "@continuable")
        refuse_step(function)
        decorated = continuable_function(function, options)
        vars(decorated)[MARK] = True
        return decorated

    return decorate if function is None else decorate(function)


class StepDecorator(Protocol):
    """What `@step(...)` gives."""

    @overload
    def __call__(self, function: TakesStep[P, R], /) -> StepFunction[P, R]: ...

    @overload
    def __call__(self, function: MethodTakesStep[S, P, R], /) -> StepMethod[S, P, R]: ...

    @overload
    def __call__(self, function: Method[S, P, R], /) -> StepMethod[S, P, R]: ...

    @overload
    def __call__(self, function: ClassMethod[S, P, R], /) -> StepMethod[S, P, R]: ...

    @overload
    def __call__(self, function: Callable[P, R], /) -> StepFunction[P, R]: ...


@overload
def step(function: TakesStep[P, R], /) -> StepFunction[P, R]: ...


@overload
def step(function: MethodTakesStep[S, P, R], /) -> StepMethod[S, P, R]: ...


@overload
def step(function: Method[S, P, R], /) -> StepMethod[S, P, R]: ...


@overload
def step(function: ClassMethod[S, P, R], /) -> StepMethod[S, P, R]: ...


@overload
def step(function: Callable[P, R], /) -> StepFunction[P, R]: ...


@overload
def step(
    *, name: str | None = None, start: object = None, isolated: bool = False
) -> StepDecorator: ...


def step(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    start: object = None,
    isolated: bool = False,
) -> Any:
    """Make a function a step of the continuable that calls it.

    A step that has completed is not run again: its recorded result is returned. If the first
    parameter is named `step` (in a method, the one after `self` or `cls`), it is handed its
    `Step`; the caller does not pass it. Outside a continuable the step is the plain function.

    Args:
        name: the name in the record, unique within one execution; None for the function's own.
        start: the first cursor.
        isolated: run in an execution of its own.

    Raises:
        TypeError, ValueError: an option, or what is decorated, is not what it has to be.
    """

    def decorate(function: Callable[..., Any]) -> StepFunction[Any, Any]:
        _refuse_undecoratable(function, "@step")
        own_name = function.__name__ if name is None else name
        options = step_options(own_name, start, isolated)
        declared: StepFunction[Any, Any] = StepFunction(function, options)
        if "<locals>" in function.__qualname__:  # not at the top of a module that the job imports
            current.declare(declared, own_name)
        return declared

    return decorate if function is None else decorate(function)


def _refuse_undecoratable(function: Any, decorator: str) -> None:
    if isinstance(function, classmethod | staticmethod):
        kind = type(function).__name__
        raise TypeError(f"write @{kind} above {decorator}, not below it")
    if isinstance(function, StepFunction | BoundStep):
        raise TypeError(f"{decorator} over @step: {function.__qualname__} is a step already")
    if not inspect.isfunction(function):
        raise TypeError(
            f"{decorator} decorates a function, and takes its options by name: found {function!r}"
        )
    if MARK in vars(function):
        raise TypeError(
            f"{decorator} over @continuable: {function.__qualname__} is a continuable already"
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(
            f"{decorator} on the generator function {function.__qualname__}: "
            "calling it would run nothing; iterate in the step, with step.each"
        )

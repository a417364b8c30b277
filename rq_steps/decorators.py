"""`@continuable` and `@step`."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from rq_steps import continuation
from rq_steps.handle import Step
from rq_steps.options import (
    Options,
    Seconds,
    StepOptions,
    continuable_options,
    step_options,
)

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
F = TypeVar("F", bound=Callable[..., Any])

_KEEP: Any = object()


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
        resume_queue: the queue to resume on; None for the job's own.
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
        max_resumptions,
        resume_wait,
        resume_queue,
        resume_errors,
        error_wait,
        max_runtime,
        max_total_runtime,
        save_every,
    )

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        _refuse_undecoratable(function, "@continuable")
        return _continuable(function, options)

    return decorate if function is None else decorate(function)


def _continuable(function: Callable[..., Any], options: Options) -> Callable[..., Any]:
    """RQ names functions and pickles everything else: this stays a function."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(*args: Any, **kwargs: Any) -> Any:
            if continuation.current() is not None:
                return await function(*args, **kwargs)
            return await _run_async(lambda: function(*args, **kwargs), run_async, options)

        return run_async

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        if continuation.current() is not None:
            return function(*args, **kwargs)
        return _run(lambda: function(*args, **kwargs), run, options)

    return run


def _run(call: Callable[[], Any], wrapper: Callable[..., Any], options: Options) -> Any:
    execution = _execution(wrapper, options)
    if execution is not None:
        return execution.run(call)
    in_memory = continuation.in_memory()
    with in_memory.entered():
        result = call()
    in_memory.finish()
    return result


async def _run_async(
    call: Callable[[], Awaitable[Any]], wrapper: Callable[..., Any], options: Options
) -> Any:
    execution = _execution(wrapper, options)
    if execution is not None:
        return await execution.run_async(call)
    in_memory = continuation.in_memory()
    with in_memory.entered():
        result = await call()
    in_memory.finish()
    return result


def _execution(wrapper: Callable[..., Any], options: Options) -> Any:
    """The execution, where a worker runs this continuable as its job."""
    if "rq.job" not in sys.modules:  # then there is no job, and RQ is not loaded in vain
        return None
    from rq_steps.performing import execution_of

    return execution_of(wrapper, options)


class StepFunction(Generic[P, R]):
    """A function decorated with `@step`."""

    __signature__: inspect.Signature

    def __init__(self, function: Callable[..., R], options: StepOptions) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._options = options
        self._origin = self
        self._bound: tuple[Any, ...] = ()
        self._place = _place_of_step(function)
        self.__signature__ = _signature_without(function, self._place)
        self._is_async = inspect.iscoroutinefunction(function)
        if self._is_async:
            _mark_coroutine_function(self)
        continuation.declare(self, options.name)

    def __repr__(self) -> str:
        return f"<step {self._options.name!r}>"

    def __reduce__(self) -> str:
        """Pickled by name, as the function would be."""
        return self._function.__qualname__

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> StepFunction[P, R]: ...

    @overload
    def __get__(
        self: StepFunction[Concatenate[S, Q], R], instance: S, owner: type | None = None
    ) -> StepFunction[Q, R]: ...

    def __get__(self, instance: Any, owner: type | None = None) -> StepFunction[Any, R]:
        if instance is None:
            return self
        parameters = list(self.__signature__.parameters.values())[1:]
        signature = self.__signature__.replace(parameters=parameters)
        return self._like_this(_bound=(instance,), __signature__=signature)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        body = functools.partial(self._body, args, kwargs)
        if self._is_async:
            return cast(R, self._run_async(cast(Callable[[Step], Awaitable[Any]], body)))
        running = self._running()
        if running is None:
            return body(continuation.loose_step(self._options))
        return running.run(self._options, self._origin, body)

    def with_options(
        self,
        *,
        name: str | None = None,
        start: object = _KEEP,
        isolated: bool | None = None,
    ) -> StepFunction[P, R]:
        """The same step with other options: under another name, it can be called once more.

        What is not given stays as it is.
        """
        options = step_options(
            self._options.name if name is None else name,
            self._options.start if start is _KEEP else start,
            self._options.isolated if isolated is None else isolated,
        )
        return self._like_this(_options=options)

    async def _run_async(self, body: Callable[[Step], Awaitable[Any]]) -> Any:
        running = self._running()
        if running is None:
            return await body(continuation.loose_step(self._options))
        return await running.run_async(self._options, self._origin, body)

    def _running(self) -> continuation.Continuation | None:
        running = continuation.current()
        if running is None:
            continuation.refuse_other_thread(self._options.name)
        return running

    def _body(self, args: tuple[Any, ...], kwargs: dict[str, Any], step: Step) -> R:
        args = self._bound + args
        if self._place is not None:
            args = (*args[: self._place], step, *args[self._place :])
        return self._function(*args, **kwargs)

    def _like_this(self, **changes: Any) -> StepFunction[Any, R]:
        other: StepFunction[Any, R] = object.__new__(type(self))
        other.__dict__.update(self.__dict__, **changes)
        return other


class StepDecorator(Protocol):
    """What `@step(...)` gives."""

    @overload
    def __call__(self, function: Callable[Concatenate[Step, P], R], /) -> StepFunction[P, R]: ...

    @overload
    def __call__(
        self, function: Callable[Concatenate[S, Step, P], R], /
    ) -> StepFunction[Concatenate[S, P], R]: ...

    @overload
    def __call__(self, function: Callable[P, R], /) -> StepFunction[P, R]: ...


@overload
def step(function: Callable[Concatenate[Step, P], R], /) -> StepFunction[P, R]: ...


@overload
def step(
    function: Callable[Concatenate[S, Step, P], R], /
) -> StepFunction[Concatenate[S, P], R]: ...


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
        return StepFunction(function, step_options(own_name, start, isolated))

    return decorate if function is None else decorate(function)


def _refuse_undecoratable(function: Any, decorator: str) -> None:
    if isinstance(function, classmethod | staticmethod):
        kind = type(function).__name__
        raise TypeError(f"write @{kind} above {decorator}, not below it")
    if isinstance(function, StepFunction):
        raise TypeError(f"{decorator} over @step: a function is the one or the other")
    if not inspect.isfunction(function):
        raise TypeError(f"{decorator} decorates a function, found {function!r}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(
            f"{decorator} on the generator function {function.__qualname__}: "
            "calling it would run nothing; iterate in the step, with step.each"
        )


def _place_of_step(function: Callable[..., Any]) -> int | None:
    """Where the Step goes among the positional arguments."""
    names = list(inspect.signature(function).parameters)
    place = 1 if names[:1] in (["self"], ["cls"]) else 0
    return place if names[place : place + 1] == ["step"] else None


def _signature_without(function: Callable[..., Any], place: int | None) -> inspect.Signature:
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    if place is not None:
        del parameters[place]
    return signature.replace(parameters=parameters)


def _mark_coroutine_function(function: Any) -> None:
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(function)

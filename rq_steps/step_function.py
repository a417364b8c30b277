"""What `@step` makes of a function, and of a method."""

from __future__ import annotations

import functools
import inspect
import pickle
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from rq_steps import current
from rq_steps.continuation import Continuation
from rq_steps.handle import Step
from rq_steps.options import StepOptions, step_options
from rq_steps.signatures import mark_coroutine_function, place_of_step, takes_class, without
from rq_steps.unresumed import tell_of_unresumed

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)

_KEEP: Any = object()


class StepFunction(Generic[P, R_co]):
    """A function decorated with `@step`."""

    __name__: str
    __qualname__: str
    __wrapped__: Callable[..., R_co]

    def __init__(self, function: Callable[..., R_co], options: StepOptions) -> None:
        functools.update_wrapper(self, function)
        self._options = options
        self._origin = self
        self._place = place_of_step(function)
        self._is_async = inspect.iscoroutinefunction(function)
        if self._is_async:
            mark_coroutine_function(self)

    def __repr__(self) -> str:
        return f"<step {self._options.name!r}>"

    @property
    def __signature__(self) -> inspect.Signature:
        """For `inspect.signature`: what the caller passes, so not the Step."""
        signature = inspect.signature(self.__wrapped__)
        return signature if self._place is None else without(self._place, signature)

    def __reduce__(self) -> str:
        """Pickled by name, as the function would be."""
        return self.__qualname__

    def __get__(self, instance: object, owner: type | None = None, /) -> StepFunction[P, R_co]:
        # Type checkers take methods for a StepMethod, and come here for static methods alone.
        return self if instance is None else cast("Any", BoundStep(self, instance))

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        if self._is_async:
            return cast("R_co", self._call_async(args, kwargs, self._called()))
        try:
            return self._call_sync(args, kwargs)
        except AttributeError as error:
            self._tell_of_a_forgotten_step(error)
            raise

    def with_options(
        self,
        *,
        name: str | None = None,
        start: object = _KEEP,
        isolated: bool | None = None,
    ) -> StepFunction[P, R_co]:
        """The same step with other options: under another name, it can be called once more.

        What is not given stays as it is.

        Raises:
            TypeError, ValueError: an option is not what it has to be, or a class method's step
                is asked, which does not know the class.
        """
        if takes_class(self.__wrapped__):
            raise TypeError(
                f"with_options on the class method {self.__qualname__} would lose the class: "
                "make it a static method or a function"
            )
        options = step_options(
            self._options.name if name is None else name,
            self._options.start if start is _KEEP else start,
            self._options.isolated if isolated is None else isolated,
        )
        other: StepFunction[P, R_co] = object.__new__(type(self))
        vars(other).update(vars(self), _options=options)
        return other

    def _called(self) -> Callable[[], None]:
        running = current.current(f"step '{self._options.name}'")
        return running.pending.called(self._options.name) if running else lambda: None

    def _call_sync(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> R_co:
        running = self._running()
        if running is None:
            return self._call_loose(args, kwargs)
        body = functools.partial(self._call_with, args, kwargs)
        return running.run(self._options, self._origin, body)

    async def _call_async(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], awaited: Callable[[], None]
    ) -> Any:
        awaited()
        running = self._running()
        try:
            if running is None:
                return await self._call_loose_async(args, kwargs)
            body: Any = functools.partial(self._call_with, args, kwargs)
            return await running.run_async(self._options, self._origin, body)
        except AttributeError as error:
            self._tell_of_a_forgotten_step(error)
            raise

    def _tell_of_a_forgotten_step(self, error: AttributeError) -> None:
        """Of the decorator `step` was asked what a Step has: the function takes none."""
        if self._place is None and _is_decorator(error.obj) and hasattr(Step, str(error.name)):
            raise TypeError(
                f"{self.__qualname__} uses step.{error.name} and takes no Step: make its first "
                "parameter (after self or cls) step: Step; the caller does not pass it"
            ) from error

    def _running(self) -> Continuation | None:
        caller = f"step '{self._options.name}'"
        running = current.current(caller)
        if running is None:
            current.refuse_stray(caller, "its continuable's: it would not count")
            tell_of_unresumed(caller)
        return running

    def _call_loose(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> R_co:
        """Outside any continuable: the plain function."""
        if self._place is None:
            return self.__wrapped__(*args, **kwargs)
        step = current.loose_step(self._options)
        try:
            return self._call_with(args, kwargs, step)
        finally:
            step._end()

    async def _call_loose_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        function = cast("Callable[..., Awaitable[Any]]", self.__wrapped__)
        if self._place is None:
            return await function(*args, **kwargs)
        step = current.loose_step(self._options)
        try:
            return await cast("Awaitable[Any]", self._call_with(args, kwargs, step))
        finally:
            try:
                await step._aclose()
            finally:
                step._end()

    def _call_with(self, args: tuple[Any, ...], kwargs: dict[str, Any], step: Step) -> R_co:
        if self._place is None:
            return self.__wrapped__(*args, **kwargs)
        return self.__wrapped__(*args[: self._place], step, *args[self._place :], **kwargs)


def _is_decorator(found: Any) -> bool:
    return inspect.isfunction(found) and (found.__module__, found.__name__) == (
        "rq_steps.decorators",
        "step",
    )


class BoundStep(Generic[P, R_co]):
    """A step together with the instance (or the class) that it was got from: a bound method."""

    __name__: str
    __qualname__: str
    __wrapped__: Callable[..., R_co]

    def __init__(self, step: StepFunction[Any, R_co], instance: object) -> None:
        vars(self).update(vars(step))  # names and marks
        self.__func__ = step
        self.__self__ = instance

    def __repr__(self) -> str:
        return f"<bound {self.__func__!r} of {self.__self__!r}>"

    @property
    def __signature__(self) -> inspect.Signature:
        return without(0, inspect.signature(self.__func__))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BoundStep):
            return NotImplemented
        return self.__self__ is other.__self__ and self.__func__ is other.__func__

    def __hash__(self) -> int:
        return hash((id(self.__self__), self.__func__))

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, str]]:
        """Pickled by name, as a bound method would be."""
        if getattr(self.__self__, self.__name__, None) != self:
            raise pickle.PicklingError(
                f"cannot pickle {self!r}: it is not what {self.__name__!r} of its instance is"
            )
        return getattr, (self.__self__, self.__name__)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        return self.__func__(self.__self__, *args, **kwargs)

    def with_options(
        self,
        *,
        name: str | None = None,
        start: object = _KEEP,
        isolated: bool | None = None,
    ) -> BoundStep[P, R_co]:
        """The same step, bound as it is, with other options: see `StepFunction.with_options`."""
        other = self.__func__.with_options(name=name, start=start, isolated=isolated)
        return BoundStep(other, self.__self__)


class StepMethod(Protocol[S_co, P, R_co]):
    """What type checkers take the step of a class for, until it is bound to an instance.

    At run time it is a `StepFunction`. There the first parameter is one of P; here it stands
    apart, so that a subclass can override the method. Only `classmethod` calls it.
    """

    def __call__(
        self: StepMethod[type[S], Q, R], cls: type[S], /, *args: Q.args, **kwargs: Q.kwargs
    ) -> R: ...

    @overload
    def __get__(
        self: StepMethod[type[S], Q, R], instance: object, owner: type | None = None, /
    ) -> Callable[Q, R]: ...

    @overload
    def __get__(
        self: StepMethod[S, Q, R], instance: None, owner: type | None = None, /
    ) -> StepFunction[Concatenate[S, Q], R]: ...

    @overload
    def __get__(self, instance: object, owner: type | None = None, /) -> BoundStep[P, R_co]: ...

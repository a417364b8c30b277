"""Where a function takes a Step: told by names, to type checkers and when it is decorated."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar

from rq_steps.handle import Step

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
S_contra = TypeVar("S_contra", contravariant=True)

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class TakesStep(Protocol[P, R_co]):
    """Its first parameter is named `step`."""

    def __call__(self, step: Step, *args: P.args, **kwargs: P.kwargs) -> R_co: ...


class MethodTakesStep(Protocol[S_contra, P, R_co]):
    """A method, or a class method, whose parameter after the first is named `step`."""

    def __call__(
        self, first: S_contra, /, step: Step, *args: P.args, **kwargs: P.kwargs
    ) -> R_co: ...


class Method(Protocol[S_contra, P, R_co]):
    """Its first parameter is named `self`."""

    def __call__(this, self: S_contra, *args: P.args, **kwargs: P.kwargs) -> R_co: ...


class ClassMethod(Protocol[S_contra, P, R_co]):
    """Its first parameter is named `cls`."""

    def __call__(self, cls: S_contra, *args: P.args, **kwargs: P.kwargs) -> R_co: ...


def place_of_step(function: Callable[..., Any]) -> int | None:
    """Where the Step goes among the positional arguments; None where the function takes none.

    Raises:
        TypeError: a parameter is annotated as a Step in another place.
    """
    names = [each.name for each in _parameters(function) if each.kind in _POSITIONAL]
    after = 1 if names[:1] in (["self"], ["cls"]) else 0
    place = after if names[after : after + 1] == ["step"] else None
    refuse_step(function, but_at=place)
    return place


def refuse_step(function: Callable[..., Any], *, but_at: int | None = None) -> None:
    """Refuse parameters that are annotated as a Step, and would not be handed one.

    Raises:
        TypeError: naming the parameter.
    """
    for place, parameter in enumerate(_parameters(function)):
        if place != but_at and _is_step(parameter, function):
            raise TypeError(
                f"{function.__qualname__}: found a Step as parameter '{parameter.name}'; only "
                "a @step is handed one, as its first parameter (after self or cls), named step"
            )


def takes_class(function: Callable[..., Any]) -> bool:
    """Is its first parameter named `cls`, as a class method's is?"""
    return any(each.name == "cls" for each in _parameters(function)[:1])


def without(place: int, signature: inspect.Signature) -> inspect.Signature:
    """The signature less the parameter in that place."""
    parameters = list(signature.parameters.values())
    del parameters[place]
    return signature.replace(parameters=parameters)


def _is_step(parameter: inspect.Parameter, function: Callable[..., Any]) -> bool:
    annotation = parameter.annotation
    if isinstance(annotation, str):
        annotation = getattr(function, "__globals__", {}).get(annotation)
    return annotation is Step


if sys.version_info >= (3, 14):
    from annotationlib import Format

    def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
        # As strings: as values, they may name what does not exist yet.
        signature = inspect.signature(function, annotation_format=Format.STRING)
        return list(signature.parameters.values())
else:

    def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
        return list(inspect.signature(function).parameters.values())


def mark_coroutine_function(function: Any) -> None:
    """Have `inspect` take what gives a coroutine for a coroutine function: from Python 3.12 on."""
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(function)

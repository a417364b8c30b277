"""What `@continuable` makes of a function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias

from rq_steps import current
from rq_steps.continuation import Continuation
from rq_steps.event_loop import run_in_loop
from rq_steps.options import Options
from rq_steps.signatures import mark_coroutine_function
from rq_steps.unresumed import tell_of_unresumed

if TYPE_CHECKING:
    from rq_steps.performing import Runnable

Performer: TypeAlias = "Callable[[Callable[..., Any], Options], Runnable | None]"

performer: ContextVar[Performer | None] = ContextVar("rq_steps.performer", default=None)
"""Who performs the continuables that are called, in the place of a worker: the test kit."""


def continuable_function(function: Callable[..., Any], options: Options) -> Callable[..., Any]:
    """The continuable. RQ names functions and pickles everything else: it stays a function."""
    if inspect.iscoroutinefunction(function):
        return _async_continuable(function, options)

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        if _is_inside(run):
            return function(*args, **kwargs)
        return _run(lambda: function(*args, **kwargs), run, options)

    return run


def _async_continuable(function: Callable[..., Any], options: Options) -> Callable[..., Any]:
    """As a job it brings its own event loop: RQ's would let a job timeout past the execution."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        coroutine = functools.partial(function, *args, **kwargs)
        execution = None if _is_inside(run) else _execution(run, options)
        if execution is None:
            return _run_in_memory_async(coroutine, run)
        return execution.run(lambda: run_in_loop(coroutine))

    mark_coroutine_function(run)
    return run


def _run(call: Callable[[], Any], wrapper: Callable[..., Any], options: Options) -> Any:
    execution = _execution(wrapper, options)
    if execution is not None:
        return execution.run(call)
    in_memory = _in_memory(wrapper)
    with current.entered(in_memory):
        result = call()
    in_memory.finish()
    return result


async def _run_in_memory_async(
    call: Callable[[], Awaitable[Any]], wrapper: Callable[..., Any]
) -> Any:
    if _is_inside(wrapper):
        return await call()
    in_memory = _in_memory(wrapper)
    with current.entered(in_memory):
        result = await call()
    in_memory.finish()
    return result


def _in_memory(wrapper: Callable[..., Any]) -> Continuation:
    job_id, what = _sync_job_id(), f"continuable '{wrapper.__name__}'"
    if not job_id:
        current.refuse_stray(what, "the job's: its steps would not count")
        tell_of_unresumed(what)
    return current.in_memory(job_id)


def _is_inside(wrapper: Callable[..., Any]) -> bool:
    """Is the continuable called by another one? Then it is a plain function, and its steps are the
    other's; but not where a queue with `is_async=False` runs it as a job of its own."""
    running = current.current(f"continuable '{wrapper.__name__}'")
    return running is not None and _sync_job_id() in ("", running.keeper.job_id)


def _sync_job_id() -> str:
    """The job that a queue with `is_async=False` runs here, if there is one."""
    if not current.is_rq_loaded():
        return ""
    from rq_steps.performing import sync_job_id

    return sync_job_id()


def _execution(wrapper: Callable[..., Any], options: Options) -> Runnable | None:
    """The execution, where a worker or somebody in its place runs this continuable as its job."""
    perform = performer.get()
    if perform is not None:
        return perform(wrapper, options)
    if not current.is_rq_loaded():
        return None
    from rq_steps.performing import execution_of

    return execution_of(wrapper, options)

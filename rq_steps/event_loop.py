"""The event loop that an async continuable brings."""

from __future__ import annotations

import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from rq_steps.signals import ALARM, in_main_thread

if TYPE_CHECKING:
    from asyncio import Task


def run_in_loop(coroutine: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run it to its end, or until the alarm of the job timeout strikes."""
    import asyncio  # not by everybody who decorates a function

    struck: list[BaseException] = []

    async def main() -> Any:
        with _alarm_reaching(asyncio.current_task(), struck):
            return await coroutine()

    try:
        return asyncio.run(main())
    except asyncio.CancelledError as cancelled:
        if struck:
            raise struck[0] from cancelled
        raise


@contextmanager
def _alarm_reaching(task: Task[Any] | None, struck: list[BaseException]) -> Iterator[None]:
    """What the alarm raises reaches this task: also where it strikes the loop, which may only log
    it, as uvloop does, or another task, which may be nobody's."""
    strike = _handler()
    if strike is None or task is None:
        yield
        return
    handler = _handing_on(strike, task, struck)
    signal.signal(signal.SIGALRM, handler)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGALRM) is handler:  # and nobody's who came later
            signal.signal(signal.SIGALRM, strike)


def _handler() -> Callable[[int, FrameType | None], Any] | None:
    if ALARM is None or not in_main_thread():
        return None
    handler = signal.getsignal(ALARM)
    return handler if callable(handler) else None


def _handing_on(
    strike: Callable[[int, FrameType | None], Any], task: Task[Any], struck: list[BaseException]
) -> Callable[[int, FrameType | None], None]:
    from asyncio import current_task

    loop = task.get_loop()

    def handle(signum: int, frame: FrameType | None) -> None:
        try:
            strike(signum, frame)
        except BaseException as error:
            running = current_task(loop)
            if running is not task:
                struck.append(error)
                loop.call_soon_threadsafe(task.cancel)
            if running is not None:
                raise

    return handle

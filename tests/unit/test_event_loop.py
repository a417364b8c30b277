"""The job timeout strikes an async continuable, wherever its event loop is just then."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from rq_steps.event_loop import run_in_loop

LONG = 10.0
"""Seconds after which a job that was not struck ends, and its test fails."""


class Timeout(Exception):
    """As RQ's handler raises it."""


def strike(signum: int, frame: FrameType | None) -> None:
    raise Timeout


@pytest.fixture(autouse=True)
def alarm() -> Iterator[Any]:
    previous = signal.signal(signal.SIGALRM, strike)
    yield
    assert signal.signal(signal.SIGALRM, previous) is strike
    gc.collect()  # asyncio logs of a task whose error nobody asked for, when that goes


def ring() -> None:
    signal.raise_signal(signal.SIGALRM)


async def wait_long() -> None:
    await asyncio.sleep(LONG)


async def waiting_for_the_clock() -> None:
    asyncio.get_running_loop().call_soon(signal.setitimer, signal.ITIMER_REAL, 0.05)
    await wait_long()


async def struck_in_a_callback() -> None:
    asyncio.get_running_loop().call_soon(ring)
    await wait_long()


async def struck_in_a_task_of_nobody() -> None:
    async def other() -> None:
        ring()

    task = asyncio.create_task(other())
    await wait_long()
    del task


async def struck_in_a_task_that_is_awaited() -> None:
    async def other() -> None:
        ring()

    await asyncio.gather(other(), wait_long())


async def struck_itself() -> None:
    ring()
    await wait_long()


@pytest.mark.parametrize(
    "body",
    [
        waiting_for_the_clock,
        struck_in_a_callback,
        struck_in_a_task_of_nobody,
        struck_in_a_task_that_is_awaited,
        struck_itself,
    ],
)
def test_the_alarm_ends_the_job_wherever_it_strikes(body: Callable[[], Any]) -> None:
    with pytest.raises(Timeout):
        run_in_loop(body)


def test_what_the_job_has_open_is_closed_in_peace_after_the_alarm() -> None:
    closed = []

    async def body() -> None:
        try:
            await struck_in_a_callback()
        finally:
            await asyncio.sleep(0)
            closed.append("closed")

    with pytest.raises(Timeout):
        run_in_loop(body)
    assert closed == ["closed"]


def test_the_error_shows_what_was_waited_for() -> None:
    with pytest.raises(Timeout) as raised:
        run_in_loop(struck_in_a_callback)
    cause = raised.value.__cause__
    assert isinstance(cause, asyncio.CancelledError)


def test_a_handler_that_user_code_sets_is_left(alarm: None) -> None:
    def own(signum: int, frame: FrameType | None) -> None:
        """The user's."""

    async def body() -> None:
        signal.signal(signal.SIGALRM, own)

    run_in_loop(body)
    assert signal.signal(signal.SIGALRM, strike) is own


def test_a_cancellation_without_an_alarm_is_one() -> None:
    async def body() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await wait_long()

    with pytest.raises(asyncio.CancelledError):
        run_in_loop(body)


def test_in_another_thread_than_the_main_one_there_is_no_alarm() -> None:
    async def body() -> str:
        return "done"

    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(run_in_loop(body)))
    thread.start()
    thread.join()
    assert results == ["done"]

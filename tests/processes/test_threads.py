"""Python runs the handlers of signals in the main thread: no other may keep it waiting for one."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest
from redis import Redis
from rq.command import send_command

import rq_steps
from rq_steps.attention import Attention
from rq_steps.pulse import Pulse
from rq_steps.watch import Watch
from tests.workers import wait_until

REQUESTS = {signal.SIGTERM, signal.SIGINT, signal.SIGALRM}


def blocked_here() -> set[int]:
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, ()))


class Listening(rq_steps.Worker):
    """Notes what is blocked in the thread that receives its commands."""

    blocked: set[int] | None = None

    def handle_payload(self, message: Any) -> None:
        self.blocked = blocked_here()


@pytest.fixture
def listening(connection: Redis) -> Iterator[Listening]:
    worker = Listening(["default"], connection=connection)
    worker.subscribe()
    yield worker
    worker.unsubscribe()


def test_the_thread_that_receives_commands_takes_no_signals(
    listening: Listening, connection: Redis
) -> None:
    send_command(connection, listening.name, "anything")
    assert wait_until(lambda: listening.blocked or set(), "no command received") >= REQUESTS
    assert not blocked_here() & REQUESTS


def test_the_thread_that_watches_the_clock_takes_no_signals() -> None:
    seen: list[set[int]] = []

    class Called(Attention):
        def call_from_thread(self) -> None:
            seen.append(blocked_here())

    watch = Watch(Called())
    watch.call_at(monotonic())
    assert wait_until(lambda: seen, "not called")[0] >= REQUESTS
    assert not blocked_here() & REQUESTS
    watch.close()


def test_the_thread_that_says_that_the_job_is_alive_takes_no_signals() -> None:
    """The job timeout would find a job that waits for ever, and not wake it."""
    seen: list[set[int]] = []
    pulse = Pulse(lambda: seen.append(blocked_here()), every=0.001)
    pulse.start()
    assert wait_until(lambda: seen, "no beat")[0] >= REQUESTS
    assert not blocked_here() & REQUESTS
    pulse.close()

"""Signals that arrive while a work-horse is being made are handled afterwards."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from rq_steps.deferral import Deferral

SIGNAL = signal.SIGUSR1


@pytest.fixture
def handled() -> Iterator[list[int]]:
    """The signals whose handler has run."""
    seen: list[int] = []
    previous = signal.signal(SIGNAL, lambda signum, _frame: seen.append(signum))
    yield seen
    signal.signal(SIGNAL, previous)


class Taker(threading.Thread):
    """A thread that takes the signal, though the main thread has blocked it."""

    def __init__(self) -> None:
        super().__init__()
        self._told = threading.Event()
        self.start()

    def run(self) -> None:
        self._told.wait(30)
        signal.pthread_kill(threading.get_ident(), SIGNAL)

    def take(self) -> None:
        self._told.set()
        self.join()


def test_a_signal_to_the_main_thread_is_handled_afterwards(handled: list[int]) -> None:
    with Deferral(SIGNAL):
        os.kill(os.getpid(), SIGNAL)
        assert handled == []
    assert handled == [SIGNAL]


def test_a_signal_that_another_thread_takes_is_handled_afterwards(handled: list[int]) -> None:
    taker = Taker()
    with Deferral(SIGNAL):
        taker.take()
        assert handled == []
    assert handled == [SIGNAL]


def test_a_signal_is_handled_once_however_often_signals_are_deferred(handled: list[int]) -> None:
    deferral, taker = Deferral(SIGNAL), Taker()
    with deferral:
        taker.take()
    with deferral:
        pass
    assert handled == [SIGNAL]


def test_afterwards_signals_are_handled_as_before(handled: list[int]) -> None:
    with Deferral(SIGNAL):
        pass
    os.kill(os.getpid(), SIGNAL)
    assert handled == [SIGNAL]


def test_in_another_thread_nothing_is_deferred(handled: list[int]) -> None:
    """Only the main thread may say what becomes of signals."""

    def defer() -> None:
        with Deferral(SIGNAL):
            blocked.update(signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    blocked: set[signal.Signals | int] = set()
    thread = threading.Thread(target=defer)
    thread.start()
    thread.join()
    assert SIGNAL not in blocked
    os.kill(os.getpid(), SIGNAL)
    assert handled == [SIGNAL]

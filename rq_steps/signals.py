"""Signals that are taken as a request: in the main thread, and in no process forked from it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

ALARM = getattr(signal, "SIGALRM", None)
"""Of RQ's job timeout."""

_replaced: dict[int, Any] = {}
"""The handlers that stood where ours stand now, by signal."""


@contextmanager
def handling(signum: int, action: Callable[[], None]) -> Iterator[None]:
    """Have a signal run `action` for a while. In the main thread only."""
    handle(signum, action)
    try:
        yield
    finally:
        _restore(signum)


@contextmanager
def ignoring(signum: int | None) -> Iterator[None]:
    """Have a signal do nothing for a while, where it is for this thread to say so."""
    if signum is None or not in_main_thread():
        yield
        return
    with handling(signum, lambda: None):
        yield


def handle(signum: int, action: Callable[[], None]) -> None:
    """Have a signal run `action`, in this process only.

    In a process that user code forks from this one, what stood before stands again: its
    `terminate()` has to end it, or a pool of such processes never closes.
    """

    def handler(_signum: int, _frame: FrameType | None) -> None:
        action()

    _replaced[signum] = signal.signal(signum, handler)


@contextmanager
def unsignalled() -> Iterator[None]:
    """A thread that is started meanwhile takes no signals.

    Python runs their handlers in the main thread, but wakes it from a wait only where the kernel
    has given the signal to it; of two that come together, another thread may take both.
    """
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # may run a handler
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def in_main_thread() -> bool:
    """Is it the thread in which Python runs the handlers of signals, and lets them be set?"""
    return threading.current_thread() is threading.main_thread()


def may_handle(signum: int | None) -> bool:
    """Whether a signal is nobody else's here."""
    return (
        signum is not None
        and in_main_thread()
        and signal.getsignal(signum) in (signal.SIG_DFL, signal.SIG_IGN)
    )


def _restore(signum: int) -> None:
    if signum in _replaced:
        signal.signal(signum, _replaced.pop(signum))


def _before_fork() -> None:
    """Python drops the signals that come while it sets up the child: there they wait meanwhile."""
    if _replaced:
        signal.pthread_sigmask(signal.SIG_BLOCK, _replaced)


def _in_parent() -> None:
    if _replaced:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _replaced)


def _in_child() -> None:
    for signum in tuple(_replaced):
        _restore(signum)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signum})


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)

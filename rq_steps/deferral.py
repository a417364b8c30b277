"""Signals that arrive while a work-horse is being made."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

from rq_steps.signals import in_main_thread


class Deferral:
    """Notes signals while a process is forked or spawned, and has them handled afterwards.

    Blocking them would not do, since a thread of the worker's may still take them: so their
    handlers only note them. They are blocked all the same for a process that is spawned, which
    starts with the mask and without handlers, and would die.
    """

    def __init__(self, *signums: signal.Signals) -> None:
        self._signums = signums
        self._handlers: dict[int, Any] = {}
        self._noted: list[int] = []

    def __enter__(self) -> None:
        if not in_main_thread():
            return
        self._noted.clear()
        for signum in self._signums:
            self._handlers[signum] = signal.signal(signum, self._note)
        signal.pthread_sigmask(signal.SIG_BLOCK, self._signums)

    def __exit__(self, *_error: object) -> None:
        handlers, self._handlers = self._handlers, {}
        for signum, handler in handlers.items():
            signal.signal(signum, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._signums)
        for signum in self._noted:
            if callable(handlers[signum]):
                handlers[signum](signum, None)

    def over_in_child(self) -> None:
        """The child has its own handlers now: what was sent to it meanwhile reaches them. What was
        sent to its parent is the parent's to pass on."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._signums)

    def _note(self, signum: int, _frame: FrameType | None) -> None:
        self._noted.append(signum)

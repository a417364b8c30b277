"""What a signal handler starts and does not wait for."""

from __future__ import annotations

import _thread
import logging
import threading
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from rq_steps.signals import unsignalled

if TYPE_CHECKING:
    LoggerAdapter = logging.LoggerAdapter[logging.Logger]
else:
    LoggerAdapter = logging.LoggerAdapter


class Errands:
    """Calls, each in a thread of its own.

    The signal may have come where its thread holds a lock that it cannot take twice. Connection
    pools have such locks before redis-py 6.1.1, and so have handlers of logs, output that is
    buffered, and the start of a `threading.Thread`.
    """

    def __init__(self) -> None:
        self._under_way: list[threading.Event] = []

    def send(self, call: Callable[[], object]) -> None:
        """Have it called; from a signal handler, too. It is left out where there is no thread."""
        done = threading.Event()

        def run() -> None:
            try:
                call()
            finally:
                done.set()

        self._under_way.append(done)
        try:
            with unsignalled():
                _thread.start_new_thread(run, ())
        except RuntimeError:
            done.set()

    def wait(self, at_most: float) -> None:
        """Wait until all have been run, for so many seconds."""
        end = monotonic() + at_most
        for done in self._under_way:
            done.wait(max(end - monotonic(), 0))


class LogBeside(LoggerAdapter):
    """A log that a signal handler may write to: each line is an errand."""

    def __init__(self, log: logging.Logger, errands: Errands) -> None:
        super().__init__(log, {})
        self._errands = errands

    def log(self, level: int, msg: object, *args: Any, **keywords: Any) -> None:
        if self.isEnabledFor(level):
            self._errands.send(partial(self.logger.log, level, msg, *args, **keywords))

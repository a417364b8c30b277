"""What a signal handler starts and does not wait for."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable
from time import monotonic

from rq_steps.signals import unsignalled


class Errands:
    """Calls, each in a thread of its own.

    The signal may have come where its thread holds a lock that it cannot take twice. Connection
    pools have such locks before redis-py 6.1.1, and so has the start of a `threading.Thread`.
    """

    def __init__(self) -> None:
        self._under_way: list[threading.Event] = []

    def send(self, call: Callable[[], object]) -> None:
        """Have it called. From a signal handler, too."""
        done = threading.Event()

        def run() -> None:
            try:
                call()
            finally:
                done.set()

        self._under_way.append(done)
        with unsignalled():
            _thread.start_new_thread(run, ())

    def wait(self, at_most: float) -> None:
        """Wait until all have been run, for so many seconds."""
        end = monotonic() + at_most
        for done in self._under_way:
            done.wait(max(end - monotonic(), 0))

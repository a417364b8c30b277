"""Says now and then that a job is alive, whatever its code is doing."""

from __future__ import annotations

import threading
from collections.abc import Callable

from redis.exceptions import RedisError

from rq_steps.signals import unsignalled


class Pulse:
    """Calls `beat` every so many seconds, from a thread of its own.

    A beat that Redis does not take is left out: the next one comes soon enough.
    """

    def __init__(self, beat: Callable[[], None], every: float) -> None:
        self._beat = beat
        self._every = every
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rq_steps pulse", daemon=True)

    def start(self) -> None:
        """Begin; the first beat comes after one interval."""
        with unsignalled():
            self._thread.start()

    def close(self) -> None:
        """End. A beat that is under way is not waited for."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(self._every):
            try:
                self._beat()
            except RedisError:
                continue

"""Looks at the clock, so that the job's own loop need not."""

from __future__ import annotations

import threading
from contextlib import suppress
from math import inf
from queue import Empty, SimpleQueue
from time import monotonic

from rq_steps.attention import Attention
from rq_steps.signals import unsignalled


class Watch:
    """Calls for attention when a moment has come, from a thread of its own.

    Moments are seconds on `time.monotonic`'s clock. What a signal handler raises may strike at any
    place in here, and must leave no lock behind: a `threading.Condition` would be left locked, and
    the end of the thread be waited for in vain.
    """

    def __init__(self, attention: Attention) -> None:
        self._attention = attention
        self._moment = self._wakes_at = inf
        self._closed = False
        self._changes: SimpleQueue[None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def moment(self) -> float:
        """When the next call is due, or was."""
        return self._moment

    def call_at(self, moment: float) -> None:
        """Call at this moment, in place of the one given before."""
        if moment == self._moment:
            return
        self._moment = moment
        if moment < self._wakes_at:  # else it sees so when it wakes: no save costs a wake-up
            self._changes.put(None)
        if self._thread is None and moment < inf:
            self._start()

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._changes.put(None)
        if self._thread is not None:
            self._thread.join()

    def _start(self) -> None:
        thread = threading.Thread(target=self._watch, name="rq_steps", daemon=True)
        with unsignalled():
            thread.start()
        self._thread = thread

    def _watch(self) -> None:
        called = -inf
        while not self._closed:
            self._wakes_at = inf  # of what is changed from here on, it is told
            moment = self._moment
            if called != moment and monotonic() >= moment:
                self._attention.call_from_thread()
                called = moment
            if called != moment:
                self._wakes_at = moment
            self._wait(self._wakes_at)

    def _wait(self, until: float) -> None:
        pending = min(max(until - monotonic(), 0), threading.TIMEOUT_MAX)
        with suppress(Empty):
            self._changes.get(timeout=pending)

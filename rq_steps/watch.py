"""Looks at the clock, so that the job's own loop need not."""

from __future__ import annotations

import threading
from math import inf
from time import monotonic

from rq_steps.attention import Attention
from rq_steps.signals import unsignalled


class Watch:
    """Calls for attention when a moment has come, from a thread of its own.

    Moments are seconds on `time.monotonic`'s clock.
    """

    def __init__(self, attention: Attention) -> None:
        self._attention = attention
        self._moment = self._wakes_at = inf
        self._closed = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @property
    def moment(self) -> float:
        """When the next call is due, or was."""
        return self._moment

    def call_at(self, moment: float) -> None:
        """Call at this moment, in place of the one given before."""
        if moment == self._moment:
            return
        with self._changed:
            self._moment = moment
            if moment < self._wakes_at:  # else it sees so when it wakes: no save costs a wake-up
                self._changed.notify()
        if self._thread is None and moment < inf:
            self._thread = threading.Thread(target=self._watch, name="rq_steps", daemon=True)
            with unsignalled():
                self._thread.start()

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        with self._changed:
            called = -inf
            while not self._closed:
                moment = self._moment
                if called != moment and monotonic() >= moment:
                    self._attention.call_from_thread()
                    called = moment
                self._wakes_at = inf if called == moment else moment
                pending = self._wakes_at - monotonic()
                self._changed.wait(min(max(pending, 0), threading.TIMEOUT_MAX))

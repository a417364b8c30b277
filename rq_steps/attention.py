"""The one attribute that a hot loop looks at, so that it need not look at clock and worker."""

from __future__ import annotations

import _thread
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rq_steps.signals import handling, may_handle

# Never really sent: `interrupt_main` only has its Python handler run in the main thread. Its
# default action is to be ignored, so that a stray one does no harm.
HANDOVER = getattr(signal, "SIGURG", None)


class Cuttable(Protocol):
    """A loop that runs inside the interpreter, and can be ended from a signal handler."""

    def cut(self) -> None:
        """Have the loop end before its next item."""


class Attention:
    """Tells a job at its next checkpoint that somebody wants something of it.

    `wanted` may be set by a signal handler and by any thread. A loop over a list or range does
    not even look at it: it is cut, and that only the main thread may do.
    """

    __slots__ = ("_always", "_can_cut", "_loop", "wanted")

    def __init__(self) -> None:
        self.wanted = False
        self._always = False
        self._can_cut = False
        self._loop: Cuttable | None = None

    def call(self) -> None:
        """Call from the job's own thread, or a signal handler in it."""
        self.wanted = True
        if self._loop is not None:
            self._loop.cut()

    def call_from_thread(self) -> None:
        """Call from any other thread."""
        self.wanted = True
        if self._loop is not None and HANDOVER is not None:
            _thread.interrupt_main(HANDOVER)

    def always(self) -> None:
        """Have every checkpoint from now on come here."""
        self._always = True
        self.call()

    def answered(self) -> None:
        """The call has been answered: the next checkpoints may pass."""
        self.wanted = self._always

    @property
    def can_cut(self) -> bool:
        """May a loop run inside the interpreter? Not where every item is a call."""
        return self._can_cut and not self._always

    def cuts(self, loop: Cuttable) -> None:
        """Take on a loop, to be cut when somebody calls."""
        self._loop = loop
        if self.wanted:
            loop.cut()

    def release(self) -> None:
        """The loop has ended."""
        self._loop = None

    @contextmanager
    def handed_over(self) -> Iterator[None]:
        """While this lasts, calls from other threads reach a loop in the main thread."""
        if not may_handle(HANDOVER):
            yield
            return
        assert HANDOVER is not None
        with handling(HANDOVER, self.call):
            self._can_cut = True
            try:
                yield
            finally:
                self._can_cut = False


class Unattended(Attention):
    """For a job that nobody interrupts: any loop may run inside the interpreter."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()
        self._can_cut = True

"""Where a continuable runs, and that its steps are called nowhere else."""

from __future__ import annotations

import os
import threading

from rq_steps.errors import InvalidStepError


class OwnThread:
    """The thread, and the process, that it was made in."""

    def __init__(self) -> None:
        self._own = _thread_of_process()
        self._is_over = False

    @property
    def is_current(self) -> bool:
        """Is the caller in it?"""
        return _thread_of_process() == self._own

    def end(self) -> None:
        """The continuable has ended: its steps count no more."""
        self._is_over = True

    def refuse_stranger(self, what_happened: str) -> None:
        """Refuse a caller who carries the context into another thread, or beyond the end.

        Raises:
            InvalidStepError: it is one.
        """
        if self._is_over:
            raise InvalidStepError(f"{what_happened} after its continuable had ended")
        if not self.is_current:
            kind = "thread" if os.getpid() == self._own[1] else "process"
            raise InvalidStepError(f"{what_happened} from another {kind} than its continuable's")


def _thread_of_process() -> tuple[int, int]:
    """A thread keeps its identity in a process that is forked from it."""
    return threading.get_ident(), os.getpid()

"""What a request to shut down sets going, in a worker and in its work-horse."""

from __future__ import annotations

import mmap
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from types import FrameType
from typing import TYPE_CHECKING, Any

import rq.worker
from rq.logutils import setup_loghandlers

from rq_steps.attention import Attention
from rq_steps.deferral import Deferral
from rq_steps.endurance import EnduranceMixin
from rq_steps.events import logger
from rq_steps.heirs import forking_horse, is_of_stopped_pool
from rq_steps.internals import is_to_be_stopped, take_signals
from rq_steps.parent_death import signal_when_parent_dies
from rq_steps.signals import handle, unsignalled

if TYPE_CHECKING:
    from rq.job import Job
    from rq.queue import Queue

_STOPPING, _LISTENING = 0, 1


class StoppingMixin(EnduranceMixin):
    """Passes a request on to the execution, wherever it runs."""

    _told_to_stop = False
    _attention: Attention | None = None
    _concludes = False

    @property
    def stopping(self) -> bool:
        """Is the worker shutting down? True from the request on, in its work-horse, too."""
        return self._told_to_stop or bool(self._shared[_STOPPING]) or self._is_orphan

    @property
    def _is_orphan(self) -> bool:
        """Has the worker of this work-horse died? Linux sends a signal then, others do not."""
        return self.is_horse and os.getppid() != self.pid

    @cached_property
    def _shared(self) -> mmap.mmap:
        """Two bytes that worker and work-horse share."""
        return mmap.mmap(-1, 2)

    @cached_property
    def _deferral(self) -> Deferral:
        return Deferral(signal.SIGTERM, signal.SIGINT)

    # What an execution asks of its worker

    def told_to_stop(self) -> None:
        """The worker's hash says so: for a spawned work-horse, which shares no memory."""
        if self.is_horse:
            self._told_to_stop = True

    @contextmanager
    def calling(self, attention: Attention) -> Iterator[None]:
        """While this lasts, a request to shut down calls for attention."""
        self._attention = attention
        self._shared[_LISTENING] = 1
        try:
            yield
        finally:
            self._shared[_LISTENING] = 0
            self._attention = None
            self._concludes = True

    # Requests

    def bootstrap(self, *args: Any, **kwargs: Any) -> None:
        self._shared[_LISTENING] = 0  # there are these bytes before a handler looks for them
        super().bootstrap(*args, **kwargs)
        self._take_signals()

    def _take_signals(self) -> None:
        """Before the scheduler is forked: Python drops what a handler raises at a fork. In a worker
        of a pool the pool's handlers have run so far, for a copy of it that nobody asks."""
        so_far = signal.getsignal(signal.SIGTERM)
        take_signals(self)
        if is_of_stopped_pool(so_far):
            self.request_stop(signal.SIGTERM, None)  # type: ignore[no-untyped-call]  # of RQ

    def handle_warm_shutdown_request(self) -> None:
        if os.getpid() == self.pid:  # and not a process that a job of a SimpleWorker's has forked
            self._shared[_STOPPING] = 1
            self._call_for_attention()
            self._tell_horse()
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]  # of RQ

    def _tell_horse(self) -> None:
        """Have it look at the shared byte at once; not if it runs a plain job, whose own handler
        may take the signal for more than it is."""
        if self.horse_pid and self._horse_listens:
            with suppress(ProcessLookupError):
                os.kill(self.horse_pid, signal.SIGTERM)

    @property
    def _horse_listens(self) -> bool:
        """A spawned one shares no memory: as far as can be known, it does."""
        return isinstance(self, rq.worker.SpawnWorker) or bool(self._shared[_LISTENING])

    def setup_work_horse_signals(self) -> None:
        """SIGTERM to the work-horse itself means the same: systemd and Heroku send it to all."""
        super().setup_work_horse_signals()  # type: ignore[no-untyped-call]  # of RQ
        handle(signal.SIGTERM, self._stop_horse)
        self._deferral.over_in_child()
        self._stop_when_worker_dies()
        setup_loghandlers(name=logger.name)  # a spawned one has inherited no handlers

    def _stop_when_worker_dies(self) -> None:
        """The kernel tells a work-horse of that by SIGTERM; or it has died already."""
        if os.getpid() == self.pid:
            return
        signal_when_parent_dies(signal.SIGTERM)
        if os.getppid() != self.pid:
            self._stop_horse()

    def _stop_horse(self) -> None:
        self._told_to_stop = True
        self._call_for_attention()

    def _call_for_attention(self) -> None:
        if self._attention is not None:
            self._attention.call()

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
        """A worker without a work-horse is cut off where it is, but not on the job's way back."""
        if not self._concludes:
            super().request_force_stop(signum, frame)

    def subscribe(self) -> None:
        """Have the thread leave SIGTERM to the worker's own, which it could keep waiting."""
        with unsignalled():
            super().subscribe()  # type: ignore[no-untyped-call]  # of RQ

    def unsubscribe(self) -> None:
        """Have the thread end when it wakes: RQ wakes it first, and may then wait for a second."""
        if self.pubsub_thread:
            self.pubsub_thread.stop()
        super().unsubscribe()  # type: ignore[no-untyped-call]  # of RQ

    # The work-horse

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """A signal between the fork and the horse's own handlers would run the worker's in it."""
        self._shared[_LISTENING] = 0
        with self._deferral, forking_horse():
            super().fork_work_horse(job, queue)
        if self.stopping:  # since before there was a work-horse
            self._tell_horse()
        if is_to_be_stopped(self, job):  # the same
            self.kill_horse()

    def kill_horse(self, *args: Any, **kwargs: Any) -> None:
        """RQ kills the group that the work-horse is in: without one, and as long as it has not made
        a group of its own, that would be the worker's. A command may come at any moment."""
        if not self.horse_pid:
            return
        with suppress(OSError):  # it is gone, or in its own group already
            os.setpgid(self.horse_pid, self.horse_pid)
        super().kill_horse(*args, **kwargs)

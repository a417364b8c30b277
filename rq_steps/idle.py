"""How an idle worker waits for jobs, and is told to leave without losing one."""

from __future__ import annotations

import threading
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

import rq.worker
from redis.exceptions import RedisError, ResponseError
from rq.exceptions import StopRequested

from rq_steps.internals import asked_to_stop, stop_soon
from rq_steps.patience import AWAY

if TYPE_CHECKING:
    from rq.job import Job
    from rq.queue import Queue

    Base = rq.worker.Worker
else:
    Base = object

_UNBLOCKED = "UNBLOCKED"


class IdlerMixin(Base):
    """Leaves between two waits, and not in the middle of one: there a job may be on its way."""

    _waiting: threading.Event | None = None
    _client_id = 0

    def request_stop(self, signum: Any, frame: Any) -> None:
        """RQ raises StopRequested here where the worker is idle."""
        try:
            super().request_stop(signum, frame)  # type: ignore[no-untyped-call]
        except StopRequested:
            stop_soon(self)
            self._end_wait()
        except AWAY as error:
            self.log.warning("Worker %s: Redis is away: %s", self.name, error)

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Waits a second at a time: so it sees that a wait is over, and that it shall leave."""
        began = monotonic()
        while True:
            if asked_to_stop(self):
                raise StopRequested
            found = self._dequeue(timeout)
            if found is not None or timeout is None:
                return found
            if max_idle_time is not None and monotonic() - began >= max_idle_time:
                return None

    def _dequeue(self, timeout: int | None) -> tuple[Job, Queue] | None:
        if timeout is None:
            return super().dequeue_job_and_maintain_ttl(None)
        self._waiting = threading.Event()
        try:
            self._note_client()
            return super().dequeue_job_and_maintain_ttl(1, max_idle_time=1)
        except ResponseError as error:
            if not str(error).startswith(_UNBLOCKED):
                raise
            return None
        finally:
            self._waiting.set()

    def _note_client(self) -> None:
        """The connection that is taken now is the one that the wait takes."""
        with suppress(RedisError):
            self._client_id = self.connection.client_id()

    def _end_wait(self) -> None:
        """From a thread: the signal has come at any place, perhaps in the middle of a command."""
        waiting = self._waiting
        if waiting is not None and not waiting.is_set():
            threading.Thread(target=self._unblock, args=[waiting], daemon=True).start()

    def _unblock(self, waiting: threading.Event) -> None:
        """The server ends the wait, or it has already answered with a job: nothing in between."""
        with suppress(RedisError):
            while not waiting.wait(0.005):
                self.connection.client_unblock(self._client_id, error=True)

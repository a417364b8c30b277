"""How an idle worker waits for jobs, and is told to leave without losing one."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError, ResponseError
from rq.exceptions import StopRequested

from rq_steps.connections import client_beside, shareable
from rq_steps.endurance import EnduranceMixin
from rq_steps.errands import Errands, LogBeside
from rq_steps.internals import go_on_at_next_turn, note_shutdown_request, stop_at_next_turn
from rq_steps.patience import AWAY, GaveUp, patiently
from rq_steps.settings import GRACE
from rq_steps.unbegun import put_back_unbegun

if TYPE_CHECKING:
    from rq.job import Job
    from rq.queue import Queue

_UNBLOCKED = "UNBLOCKED"

_ERRANDS_TAKE = 1.0
"""Seconds at most that a worker which leaves waits for them."""


class IdlerMixin(EnduranceMixin):
    """Leaves where RQ's loop asks whether to go on, and nowhere in between: there a job may be on
    its way, or nobody catch what RQ raises."""

    _works = False
    _was_idle = False
    _waiting: threading.Event | None = None
    _client_id = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connection = shareable(self.connection)
        for queue in self.queues:
            queue.connection = shareable(queue.connection)

    @cached_property
    def _errands(self) -> Errands:
        return Errands()

    def request_stop(self, signum: Any, frame: Any) -> None:
        """RQ raises StopRequested here where the worker is not busy."""
        try:
            with self._logging_beside():
                super().request_stop(signum, frame)  # type: ignore[no-untyped-call]  # of RQ
        except StopRequested:
            if not self._works or os.getpid() != self.pid:  # a scheduler, not yet itself
                raise
            self._was_idle = True
            stop_at_next_turn(self)
            self._end_wait()

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
        with self._logging_beside():
            super().request_force_stop(signum, frame)

    @contextmanager
    def _logging_beside(self) -> Iterator[None]:
        """While a signal is handled: it may have come in the middle of a line."""
        usual = self.log
        self.log = LogBeside(usual, self._errands)  # type: ignore[assignment]  # serves as one
        try:
            yield
        finally:
            self.log = usual

    def set_shutdown_requested_date(self) -> None:
        """RQ calls this from its handler of the signal."""
        self._errands.send(self._tell_redis)

    def _tell_redis(self) -> None:
        try:
            with client_beside(self.connection) as client:
                note_shutdown_request(self, client)
        except AWAY as error:
            self.log.warning("%s: Redis is away: %s", self.who, error)

    def work(self, *args: Any, **kwargs: Any) -> bool:
        """RQ leaves its handlers behind: what comes later is for the program around the worker."""
        self._works = True
        try:
            return super().work(*args, **kwargs)
        finally:
            self._works = False
            if self._was_idle:
                go_on_at_next_turn(self)

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Waits a second at a time: so it sees that a wait is over, and that it shall leave."""
        began = monotonic()
        while True:
            if self.stopping:
                raise StopRequested
            found = self._dequeue(timeout)
            if found is not None:
                return found
            if timeout is None or (max_idle_time and monotonic() - began >= max_idle_time):
                return None

    def execute_job(self, job: Job, queue: Queue) -> None:
        if self.stopping:  # since it was taken from its queue
            back = partial(put_back_unbegun, queue, job, self.name)
            with suppress(GaveUp):  # then it is found where RQ has noted it
                patiently(back, self.who, outage=GRACE)
        else:
            super().execute_job(job, queue)

    def teardown(self) -> None:
        """Whoever runs the worker may close its connections next."""
        self._errands.wait(_ERRANDS_TAKE)
        super().teardown()

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
        waiting = self._waiting
        if waiting is not None and not waiting.is_set():
            self._errands.send(partial(self._unblock, waiting))

    def _unblock(self, waiting: threading.Event) -> None:
        """The server ends the wait, or it has already answered with a job: nothing in between.

        Again and again: the signal may have come before the wait had begun.
        """
        with suppress(RedisError), client_beside(self.connection) as client:
            while not waiting.is_set():
                client.client_unblock(self._client_id, error=True)
                waiting.wait(0.005)

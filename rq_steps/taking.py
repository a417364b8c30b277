"""Requests to stop that come while a worker takes a job from its queues."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from rq_steps.signals import unsignalled

if TYPE_CHECKING:
    from redis import Redis
    from rq.job import Job
    from rq.queue import Queue

PATIENCE = 3.0
"""Seconds after which a worker leaves whatever Redis says, or does not say."""
_NUDGE_EVERY = 0.05


class Taking:
    """Holds a request back until it is known whether there is a job in hand.

    RQ leaves its wait for a job at once. What the server has sent by then is lost, and so is what
    it sends until it notices that nobody listens: above all the job that another worker, stopped
    at the same moment, has just put back. So the server is asked to end the wait.
    """

    def __init__(self, connection: Redis) -> None:
        self._connection = connection
        self._client_id: int | None = None
        self._signum: int | None = None
        self._has_job = False
        self._over = threading.Event()
        self._over.set()

    def begin(self, *, waits: bool) -> None:
        """The worker is about to ask for a job, and perhaps to wait for one."""
        self._client_id = self._id_of_client() if waits else None
        self._signum, self._has_job = None, False
        self._over.clear()

    def received(self) -> None:
        """There is a job in hand."""
        self._has_job = True

    @property
    def told(self) -> bool:
        """Has a request been held back?"""
        return self._signum is not None

    @property
    def told_in_vain(self) -> bool:
        """Has one been held back although there is no job in hand?"""
        return self.told and not self._has_job

    def end(self) -> int | None:
        """From now on requests pass. Answers the signal of the one that was held back, if any."""
        self._over.set()
        signum, self._signum = self._signum, None
        return signum

    def holds(self, signum: int) -> bool:
        """Hold this request back? Called by the handler of the signal."""
        if self._over.is_set():
            return False
        if self._signum is None:
            self._signum = signum
            _start(self._nudge)
            _start(self._lose_patience)
        return True

    def _id_of_client(self) -> int | None:
        """The connection that was used last is the one that is used next."""
        try:
            return int(self._connection.client_id())
        except RedisError:
            return None

    def _nudge(self) -> None:
        """From a thread of its own: the pool of connections may be locked by the main one."""
        while self._client_id is not None and not self._has_job:
            try:
                self._connection.client_unblock(self._client_id)
            except RedisError:
                return
            if self._over.wait(_NUDGE_EVERY):
                return

    def _lose_patience(self) -> None:
        signum = self._signum
        if signum is not None and not self._over.wait(PATIENCE):
            self._over.set()
            signal.pthread_kill(threading.main_thread().ident or 0, signum)


def give_back(job: Job, queue: Queue) -> None:
    """Put a job that was taken, and not begun, back to the front of its queue."""
    with queue.connection.pipeline() as pipeline:
        pipeline.lrem(queue.intermediate_queue_key, 1, job.id)
        queue.push_job_id(job.id, pipeline=pipeline, at_front=True)
        pipeline.execute()


def _start(target: Callable[[], None]) -> None:
    with unsignalled():
        threading.Thread(target=target, name="rq_steps", daemon=True).start()

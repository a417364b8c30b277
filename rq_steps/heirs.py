"""What becomes of the processes that a worker forks, apart from its work-horses: RQ's scheduler.

A child that keeps the worker's sockets keeps its connections alive when the worker is killed: the
server goes on to hand jobs to a wait that nobody is in.
"""

from __future__ import annotations

import gc
import os
import signal
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from rq_steps.internals import exit_code
from rq_steps.parent import signal_when_parent_dies

if TYPE_CHECKING:
    from rq.scheduler import RQScheduler
    from rq.worker import BaseWorker

_is_horse: ContextVar[bool] = ContextVar("rq_steps.is_horse", default=False)


def disinherit_children(worker: BaseWorker) -> None:
    """From now on, what is forked from the worker has none of its connections, and on Linux ends
    with it."""
    if not hasattr(os, "register_at_fork"):
        return
    reference = weakref.ref(worker)
    process = os.getpid()

    def in_child() -> None:
        nonlocal process
        forked_from, process = process, os.getpid()
        parent = reference()
        if parent is not None and parent.pid == forked_from and not _is_horse.get():
            # Until it has handlers of its own: what the worker's raise in here, Python drops.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            _disinherit(parent)

    os.register_at_fork(after_in_child=in_child)


@contextmanager
def forking_horse() -> Iterator[None]:
    """A work-horse is not meant: while it runs, its worker waits for no job, and it ends itself."""
    token = _is_horse.set(True)
    try:
        yield
    finally:
        _is_horse.reset(token)


def release_locks_of_killed(scheduler: RQScheduler) -> None:
    """One that was stopped before it had its own handlers could not: for a minute no other would
    have begun."""
    if exit_code(scheduler) == -signal.SIGTERM:
        scheduler.release_locks()


def _disinherit(worker: BaseWorker) -> None:
    """Without a word to the server: the connections are still the worker's."""
    with suppress(RedisError):
        worker.connection.connection_pool.disconnect()  # in a child it only forgets them
    gc.collect()  # what is forgotten is closed: connections are part of cycles
    if worker.pubsub is not None and worker.pubsub.connection is not None:
        worker.pubsub.connection.disconnect()
    signal_when_parent_dies(signal.SIGTERM)
    if os.getppid() != worker.pid:  # it has died already
        os._exit(os.EX_OK)

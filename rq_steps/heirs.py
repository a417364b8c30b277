"""What becomes of the processes that a worker forks, apart from its work-horses: RQ's scheduler.
And what a worker has from the pool that forked it.

A child that keeps the worker's sockets keeps its connections alive when the worker is killed: the
server goes on to hand jobs to a wait that nobody is in.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING
from weakref import WeakSet

from redis.exceptions import RedisError
from rq.worker_pool import WorkerPool

from rq_steps.internals import exit_code
from rq_steps.parent_death import signal_when_parent_dies
from rq_steps.signals import in_main_thread

if TYPE_CHECKING:
    from rq.scheduler import RQScheduler
    from rq.worker import BaseWorker

# The workers of this process that wait for jobs. A hook at the fork cannot be taken back: there is
# one for all of them.
_workers: WeakSet[BaseWorker] = WeakSet()
_process: int | None = None
"""The id of this process. A child finds that of its parent here."""
_REQUESTS = {signal.SIGTERM, signal.SIGINT}
_mask: ContextVar[set[int] | None] = ContextVar("rq_steps.mask", default=None)
"""The signals that were blocked before the fork that is under way."""
_is_for_good: ContextVar[bool] = ContextVar("rq_steps.is_for_good", default=True)
"""Does the thread that forks last as long as its process? The kernel takes it for the parent."""
_is_horse: ContextVar[bool] = ContextVar("rq_steps.is_horse", default=False)


def disinherit_children(worker: BaseWorker) -> None:
    """From now on, what is forked from the worker has none of its connections, and on Linux ends
    with it."""
    global _process
    if not hasattr(os, "register_at_fork"):
        return
    if _process is None:
        os.register_at_fork(
            before=_before_fork, after_in_parent=_unblock, after_in_child=_begin_as_child
        )
    _process = os.getpid()
    _workers.add(worker)


def let_inherit(worker: BaseWorker) -> None:
    """The worker has ended: it waits for no more jobs."""
    _workers.discard(worker)


@contextmanager
def forking_horse() -> Iterator[None]:
    """A work-horse is not meant: while it runs, its worker waits for no job, and it ends itself."""
    token = _is_horse.set(True)
    try:
        yield
    finally:
        _is_horse.reset(token)


def release_locks_of_killed(scheduler: RQScheduler) -> None:
    """A scheduler that was stopped before it had its own handlers could not release them itself:
    for a minute no other could begin."""
    if exit_code(scheduler) == -signal.SIGTERM:
        scheduler.release_locks()


def is_of_stopped_pool(handler: object) -> bool:
    """Is it the handler of a worker pool that has been asked to stop, and has workers left? That of
    one which has ended may still be there."""
    pool = getattr(handler, "__self__", None)
    return (
        isinstance(pool, WorkerPool)
        and pool.status == WorkerPool.Status.STOPPED
        and pool.number_of_active_workers > 0
    )


def _before_fork() -> None:
    """The worker may stop its child before that has come to its first line."""
    _is_for_good.set(in_main_thread())
    if not _is_horse.get():
        _mask.set(signal.pthread_sigmask(signal.SIG_BLOCK, _REQUESTS))


def _unblock() -> None:
    mask = _mask.get()
    if mask is not None:
        _mask.set(None)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _begin_as_child() -> None:
    global _process
    forked_from, _process = _process, os.getpid()
    parents = [worker for worker in tuple(_workers) if worker.pid == forked_from]
    if parents and not _is_horse.get():
        # Until it has handlers of its own: what the worker's raise in here, Python drops.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the worker's, as in a work-horse
    _unblock()
    if parents and not _is_horse.get():
        _disinherit(parents)


def _disinherit(parents: list[BaseWorker]) -> None:
    """Without a word to the server: the connections are still the workers'."""
    for worker in parents:
        with suppress(RedisError):
            worker.connection.connection_pool.disconnect()  # in a child it only forgets them
    gc.collect()  # what is forgotten is closed: connections are part of cycles
    for worker in parents:
        if worker.pubsub is not None and worker.pubsub.connection is not None:
            worker.pubsub.connection.disconnect()
    if _is_for_good.get():
        signal_when_parent_dies(signal.SIGTERM)
    if os.getppid() != parents[0].pid:  # it has died already
        os._exit(os.EX_OK)

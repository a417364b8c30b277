"""A worker that is struck when its job comes to a place: what a worker process of the kit runs."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

from redis.client import Redis
from rq.queue import Queue
from rq.utils import import_attribute
from rq.worker import SpawnWorker

from rq_steps.execution import Execution
from rq_steps.testing.ledger import Ledger
from rq_steps.testing.orders import Blow, Orders
from rq_steps.testing.waiting import wait_until
from rq_steps.worker import ContinuableWorkerMixin

if TYPE_CHECKING:
    from rq.job import Job

    from rq_steps.keeper import Departure
    from rq_steps.options import Options

    Base = ContinuableWorkerMixin
else:
    Base = object

_ARRIVES_WITHIN = 30.0
"""Seconds that a signal may take from one process to the next."""


class StruckExecution(Execution):
    """Looks at every checkpoint whether its worker is to be struck there."""

    worker: StruckMixin

    def __init__(self, job: Job, options: Options, worker: StruckMixin, token: str) -> None:
        super().__init__(job, options, worker, token)
        orders = worker.orders
        self._ledger = Ledger(job.connection, orders.key, orders.strikes)
        self._concerned = job.id == orders.job_id
        if self._is_pending:
            self.attention.always()

    def attend(self) -> Departure | None:
        if self._is_pending:
            strike = self._ledger.next_at(*self._continuation.place)
            if strike is not None:
                _strike(self.worker, strike.blow)
        return super().attend()

    @property
    def _is_pending(self) -> bool:
        return self._concerned and self._ledger.is_pending


class StruckMixin(Base):
    """Goes over a worker class of ours: what it performs is as its orders say."""

    orders: Orders

    _execution_class = StruckExecution


def work(orders: Orders) -> None:
    """Be a worker until told to stop, or struck.

    Raises:
        TypeError: of its class, no worker can be struck.
    """
    base: Any = import_attribute(orders.worker_class)
    _refuse_unstrikable(base)
    struck: Any = type(base.__name__, (StruckMixin, base), {"orders": orders})
    connection = Redis.from_url(orders.url)
    queues = [
        Queue(name, connection=connection, serializer=orders.serializer)
        for name in orders.queue_names
    ]
    worker = struck(queues, name=orders.name, connection=connection, serializer=orders.serializer)
    worker.work()


def _refuse_unstrikable(base: Any) -> None:
    if not (isinstance(base, type) and issubclass(base, ContinuableWorkerMixin)):
        raise TypeError(f"{base} has no rq_steps.ContinuableWorkerMixin")
    if issubclass(base, SpawnWorker):
        raise TypeError(f"{base} starts work-horses that know of no orders: use one that forks")


def _strike(worker: ContinuableWorkerMixin, blow: Blow) -> None:
    assert worker.pid is not None
    if blow is Blow.STOP:
        os.kill(worker.pid, signal.SIGTERM)
        wait_until(lambda: worker.stopping, "the stop has not arrived", deadline=_ARRIVES_WITHIN)
        return
    if blow is Blow.KILL:  # and what the job has started, as when a machine is lost
        os.killpg(worker.pid, signal.SIGKILL)
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)

"""What happens to the jobs of these tests while they run: the worker is asked to stop, or an error.

A job says which item it has in hand; a test arranges what is to happen at that moment:

    with interrupt_during("stamp", 432):
        work(connection)
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from redis import Redis

from rq_steps import SimpleWorker, Step
from rq_steps.events import Event, StepCompleted, subscribe
from tests.redis.scene import signal_handlers_put_back

_arranged: dict[tuple[str, Hashable], Callable[[], None]] = {}


def in_hand(step: Step, item: Hashable) -> None:
    """Called by a job that has taken up an item: now happens what was arranged for it."""
    happening = _arranged.get((step.name, item))
    if happening is not None:
        happening()


@contextmanager
def happening_during(step: str, item: Hashable, happening: Callable[[], None]) -> Iterator[None]:
    """While this lasts, something happens when the step takes up the item. It has to."""
    happened: list[bool] = []

    def happen() -> None:
        happened.append(True)
        happening()

    _arranged[step, item] = happen
    try:
        yield
    finally:
        del _arranged[step, item]
    assert happened, f"step {step!r} has never had {item!r} in hand"


@contextmanager
def interrupt_during(step: str, item: Hashable) -> Iterator[None]:
    """The worker is asked to shut down while the step has the item in hand."""
    with happening_during(step, item, _ask_worker_to_stop):
        yield


@contextmanager
def fail_during(step: str, item: Hashable, error: Exception) -> Iterator[None]:
    """The step raises when it takes up the item: the cursor still stands at it."""

    def fail() -> None:
        raise error

    with happening_during(step, item, fail):
        yield


@contextmanager
def interrupt_after(step: str) -> Iterator[None]:
    """The worker is asked to shut down when the step has just completed. It has to complete."""
    completed: list[Event] = []

    def look(event: Event) -> None:
        if isinstance(event, StepCompleted) and event.step == step:
            completed.append(event)
            _ask_worker_to_stop()

    unsubscribe = subscribe(look)
    try:
        yield
    finally:
        unsubscribe()
    assert completed, f"step {step!r} has never completed"


class Worker(SimpleWorker):
    """Takes no commands: RQ's thread for them may outlive a worker as short as these, and its
    socket with it."""

    def subscribe(self) -> None:
        pass

    def unsubscribe(self) -> None:
        pass


def work(
    connection: Redis,
    *queues: str,
    max_jobs: int | None = None,
    worker_class: type[Worker] = Worker,
) -> None:
    """A new worker works in this process, until it finds no job or has been asked to stop."""
    worker = worker_class(list(queues) or ["default"], connection=connection)
    with signal_handlers_put_back():
        worker.work(burst=True, max_jobs=max_jobs)


def _ask_worker_to_stop() -> None:
    signal.raise_signal(signal.SIGTERM)

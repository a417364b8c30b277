"""Resumable background jobs for RQ: steps, cursors, checkpoints.

    from rq_steps import Step, continuable, step

Names are resolved when they are asked for (PEP 562): decorating a function loads no worker.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "CheckpointError",
    "ContinuableWorkerMixin",
    "Interrupt",
    "InvalidStepError",
    "NewerRecordError",
    "ResumeLimitError",
    "SimpleWorker",
    "SpawnWorker",
    "Step",
    "StepsError",
    "UnadvanceableCursorError",
    "UnserializableError",
    "Worker",
    "continuable",
    "step",
]

if TYPE_CHECKING:
    from rq_steps.decorators import continuable, step
    from rq_steps.errors import (
        CheckpointError,
        Interrupt,
        InvalidStepError,
        NewerRecordError,
        ResumeLimitError,
        StepsError,
        UnadvanceableCursorError,
        UnserializableError,
    )
    from rq_steps.handle import Step
    from rq_steps.worker import ContinuableWorkerMixin, SimpleWorker, SpawnWorker, Worker

_ROOMS = {
    "ContinuableWorkerMixin": "worker",
    "SimpleWorker": "worker",
    "SpawnWorker": "worker",
    "Step": "handle",
    "Worker": "worker",
    "continuable": "decorators",
    "step": "decorators",
}


if not TYPE_CHECKING:  # or type checkers would take any misspelt name for an Any

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module 'rq_steps' has no attribute {name!r}")
        room = import_module(f"rq_steps.{_ROOMS.get(name, 'errors')}")
        return getattr(room, name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

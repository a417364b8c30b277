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
    from rq_steps.decorators import continuable as continuable
    from rq_steps.decorators import step as step
    from rq_steps.errors import (
        CheckpointError as CheckpointError,
    )
    from rq_steps.errors import (
        Interrupt as Interrupt,
    )
    from rq_steps.errors import (
        InvalidStepError as InvalidStepError,
    )
    from rq_steps.errors import (
        NewerRecordError as NewerRecordError,
    )
    from rq_steps.errors import (
        ResumeLimitError as ResumeLimitError,
    )
    from rq_steps.errors import (
        StepsError as StepsError,
    )
    from rq_steps.errors import (
        UnadvanceableCursorError as UnadvanceableCursorError,
    )
    from rq_steps.errors import (
        UnserializableError as UnserializableError,
    )
    from rq_steps.handle import Step as Step
    from rq_steps.worker import (
        ContinuableWorkerMixin as ContinuableWorkerMixin,
    )
    from rq_steps.worker import (
        SimpleWorker as SimpleWorker,
    )
    from rq_steps.worker import (
        SpawnWorker as SpawnWorker,
    )
    from rq_steps.worker import (
        Worker as Worker,
    )

_ROOMS = {
    "ContinuableWorkerMixin": "worker",
    "SimpleWorker": "worker",
    "SpawnWorker": "worker",
    "Step": "handle",
    "Worker": "worker",
    "continuable": "decorators",
    "step": "decorators",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'rq_steps' has no attribute {name!r}")
    room = import_module(f"rq_steps.{_ROOMS.get(name, 'errors')}")
    return getattr(room, name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

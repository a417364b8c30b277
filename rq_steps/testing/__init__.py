"""For tests of resumable jobs: interrupt one where you say, and see that it is right all the same.

Names are resolved when they are asked for (PEP 562): importing this loads neither RQ nor Redis.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = [
    "Clock",
    "Coverage",
    "Crash",
    "Everywhere",
    "Execution",
    "Failure",
    "Interruption",
    "LiveJobs",
    "NeverReachedError",
    "NotOverError",
    "Place",
    "Rehearsal",
    "RehearsalError",
    "everywhere",
]

if TYPE_CHECKING:
    from rq_steps.testing.clock import Clock
    from rq_steps.testing.cut_everywhere import Coverage, Everywhere, everywhere
    from rq_steps.testing.errors import RehearsalError
    from rq_steps.testing.execution import Execution
    from rq_steps.testing.live import LiveJobs
    from rq_steps.testing.place import NeverReachedError, Place
    from rq_steps.testing.rehearsal import Rehearsal
    from rq_steps.testing.relay import NotOverError
    from rq_steps.testing.strikes import Crash, Failure, Interruption

_ROOMS = {
    "Clock": "clock",
    "Coverage": "cut_everywhere",
    "Crash": "strikes",
    "Everywhere": "cut_everywhere",
    "Execution": "execution",
    "Failure": "strikes",
    "Interruption": "strikes",
    "Rehearsal": "rehearsal",
    "RehearsalError": "errors",
    "everywhere": "cut_everywhere",
    "LiveJobs": "live",
    "NeverReachedError": "place",
    "NotOverError": "relay",
    "Place": "place",
}


if not TYPE_CHECKING:  # or type checkers would take any misspelt name for an Any

    def __getattr__(name: str) -> Any:
        if name not in _ROOMS:
            raise AttributeError(f"module 'rq_steps.testing' has no attribute {name!r}")
        return getattr(import_module(f"rq_steps.testing.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)

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
    from rq_steps.testing.clock import Clock as Clock
    from rq_steps.testing.errors import RehearsalError as RehearsalError
    from rq_steps.testing.execution import Execution as Execution
    from rq_steps.testing.live import LiveJobs as LiveJobs
    from rq_steps.testing.place import NeverReachedError as NeverReachedError
    from rq_steps.testing.place import Place as Place
    from rq_steps.testing.points import Coverage as Coverage
    from rq_steps.testing.points import Everywhere as Everywhere
    from rq_steps.testing.points import everywhere as everywhere
    from rq_steps.testing.rehearsal import Rehearsal as Rehearsal
    from rq_steps.testing.relay import NotOverError as NotOverError
    from rq_steps.testing.strikes import Crash as Crash
    from rq_steps.testing.strikes import Failure as Failure
    from rq_steps.testing.strikes import Interruption as Interruption

_ROOMS = {
    "Clock": "clock",
    "Coverage": "points",
    "Crash": "strikes",
    "Everywhere": "points",
    "Execution": "execution",
    "Failure": "strikes",
    "Interruption": "strikes",
    "Rehearsal": "rehearsal",
    "RehearsalError": "errors",
    "everywhere": "points",
    "LiveJobs": "live",
    "NeverReachedError": "place",
    "NotOverError": "relay",
    "Place": "place",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'rq_steps.testing' has no attribute {name!r}")
    return getattr(import_module(f"rq_steps.testing.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)

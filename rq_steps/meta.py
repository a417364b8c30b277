"""What `job.meta["rq_steps"]` shows of the record."""

from __future__ import annotations

from typing import Any

from rq_steps.record import Record
from rq_steps.values import JSON, plain

KEY = "rq_steps"
SHOWN_STEPS = 20


def progress(record: Record, cursor: object) -> dict[str, JSON]:
    """The progress in plain JSON types. Of many steps, their number and the last twenty."""
    current = record.current
    return {
        "completed": [done.name for done in record.completed[-SHOWN_STEPS:]],
        "completed_count": len(record.completed),
        "step": current.name if current else None,
        "cursor": plain(cursor) if current else None,
        "executions": record.executions,
        "resumptions": record.resumptions,
        "errors": record.errors,
        "finished": record.finished,
    }


def merged(meta: Any, shown: dict[str, JSON]) -> Any:
    """Somebody's meta, with our key in it. What is no dict is left alone."""
    return {**meta, KEY: shown} if isinstance(meta, dict) else meta

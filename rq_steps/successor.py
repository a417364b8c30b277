"""What comes behind a cursor, where that can be told."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from rq_steps.errors import UnadvanceableCursorError


def successor(value: Any) -> object:
    """What comes next: the next int or day, or what `succ()` says.

    Raises:
        UnadvanceableCursorError: nobody knows.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value + 1
    if isinstance(value, date) and not isinstance(value, datetime):
        return _next_day(value)
    if callable(getattr(value, "succ", None)):
        return value.succ()
    raise UnadvanceableCursorError(
        f"{value!r} ({type(value).__name__}) has no successor: advance takes an int, a date, "
        "or a value with succ(); for anything else, use set"
    )


def _next_day(day: date) -> date:
    try:
        return day + timedelta(days=1)
    except OverflowError as error:
        raise UnadvanceableCursorError(f"there is no day after {day}") from error

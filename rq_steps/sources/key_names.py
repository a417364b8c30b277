"""A key that is given by the names of its columns."""

from __future__ import annotations

from collections.abc import Sequence

from rq_steps.sources.keyset import Column
from rq_steps.sources.mistaken import refuse_untexts


def named(key: str | Sequence[str]) -> list[Column]:
    """Columns by their names: "-" before one is for descending.

    Raises:
        TypeError: they are no texts, or in no order.
        ValueError: none, or one of them twice.
    """
    names = [key] if isinstance(key, str) else key
    refuse_untexts(names, "key takes names, as text or a list of it")
    columns = [Column(name.removeprefix("-"), name.startswith("-")) for name in names]
    return _distinct(columns)


def _distinct(columns: list[Column]) -> list[Column]:
    """The columns, if there are any, and none of them twice."""
    if not columns or len({column.name for column in columns}) < len(columns):
        found = ", ".join(map(str, columns)) or "none"
        raise ValueError(f"key must be one or more columns, each of them once, found {found}")
    return columns

"""Which rows of a query are wanted: SQL, over the subquery `q`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from rq_steps.sources.keyset import Column, Key, behind, by_ranges


class Condition(NamedTuple):
    """SQL with a "{}" for each value."""

    text: str
    values: tuple[Any, ...] = ()


ALL = Condition("1 = 1")
NONE = Condition("1 = 0")
NONE_BY_VALUE = Condition("1 = {}", (0,))


def rows_behind(columns: Sequence[Column], key: Key, *, in_mysql: bool) -> list[Condition]:
    """The conditions for the rows behind a key, in the order in which these come."""
    tests = _tests_by_range if in_mysql and by_ranges(columns) else _tests
    return behind([tests(*each) for each in zip(columns, key, strict=True)], _both)


def _both(one: Condition, other: Condition) -> Condition:
    return Condition(f"{one.text} AND {other.text}", one.values + other.values)


def _tests(column: Column, value: Any) -> tuple[Condition, Condition]:
    sign = "<" if column.descending else ">"
    strictly = Condition(f"q.{column.name} {sign} {{}}", (value,))
    return strictly, Condition(f"q.{column.name} = {{}}", (value,))


def _tests_by_range(column: Column, value: Any) -> tuple[Condition, Condition]:
    name = f"q.{column.name}"
    shared = Condition(f"{name} >= {{}} AND {name} <= {{}}", (value, value))
    return _tests(column, value)[0], shared

"""What type checkers tell the items of a select by. Nothing but them reads it.

A `select` of SQLAlchemy 2.1 is a `Select[int, str]`, one of SQLAlchemy 2.0 a
`Select[tuple[int, str]]`. Of one class or column neither tells which of the two it is: an object is
known by its base, and a row by a type that no mapped class has. Whatever else there is, is Any.
With 2.0 there, mypy complains of what is for 2.1: in this folder, not where rq-steps is installed.
"""

from __future__ import annotations

from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

from sqlalchemy.orm import DeclarativeBase, DeclarativeBaseNoMeta
from typing_extensions import TypeVarTuple, Unpack


class _Nothing:
    """No class derives from it; one with an untyped base could, for all that type checkers know."""


_Value: TypeAlias = "int | float | str | bytes | date | time | timedelta | Decimal | UUID | Enum"
_Several: TypeAlias = "tuple[Any, Any, Unpack[tuple[Any, ...]]]"

Untold = TypeVar("Untold", bound=_Nothing)
Object = TypeVar("Object", bound=DeclarativeBase | DeclarativeBaseNoMeta)
Columns = TypeVar("Columns", bound="_Value | tuple[_Value | None] | _Several | None")
Column = TypeVar("Column")
First = TypeVar("First")
Second = TypeVar("Second")
Others = TypeVarTuple("Others")

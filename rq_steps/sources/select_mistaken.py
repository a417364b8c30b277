"""What people give `rows` by mistake, and what they may have meant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    FromClause,
    Over,
    Result,
    Select,
    Table,
    TextClause,
    TextualSelect,
    inspect,
)
from sqlalchemy.engine import FilterResult
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Query
from sqlalchemy.orm.util import AliasedClass
from sqlalchemy.sql.selectable import SelectBase

from rq_steps.errors import InvalidStepError
from rq_steps.sources.mistaken import called
from rq_steps.sources.select_tables import Leaf

_USE_QUERY = "use query(sql, engine.raw_connection, key=...)"
_ADVICE: list[tuple[type | tuple[type, ...], str]] = [
    (CompoundSelect, f"give its selects one by one, or {_USE_QUERY}"),
    ((TextClause, TextualSelect, str), f"for SQL {_USE_QUERY}"),
    (Query, "give select(...)"),
    ((Result, FilterResult), "give the select itself"),
    ((FromClause, AliasedClass), "give select(...) of it"),
]


def refuse_no_select(given: Any) -> None:
    """Refuse what is no select.

    Raises:
        TypeError: it is none.
    """
    if isinstance(given, Select):
        return
    advice = next((f": {advice}" for kinds, advice in _ADVICE if isinstance(given, kinds)), "")
    if isinstance(given, type) and hasattr(given, "__mapper__"):
        advice = f": give select({given.__name__})"
    raise TypeError(f"rows takes a select of SQLAlchemy, found {called(given)}{advice}")


def refuse_clauses(statement: Select[Any]) -> None:
    """Refuse what does not go together with pages: an equal statement has no such clause.

    Raises:
        InvalidStepError: it has such a clause.
    """
    without = {
        "ORDER BY": (statement.order_by(None), "pages have their own: give the order as key="),
        "LIMIT or OFFSET": (
            statement.limit(None).offset(None),
            "pages have their own: break the loop instead",
        ),
        "GROUP BY": (statement.group_by(None), f"groups have no key that is known: {_USE_QUERY}"),
    }
    for clause, (other, advice) in without.items():
        if not statement.compare(other):
            raise InvalidStepError(f"select: it has {clause}, and {advice}")
    _refuse_looking_around(statement)


def _refuse_looking_around(statement: Select[Any]) -> None:
    """Refuse what is made of several rows: of those that are behind the key, on each page.

    Raises:
        InvalidStepError: it has such a thing.
    """
    subquery = "join a subquery that has it, with the primary key"
    if _distinct_on(statement):
        raise InvalidStepError(
            "select: it has DISTINCT ON, which each page would take anew, of the rows behind its "
            f"key: {subquery}"
        )
    for column in statement.selected_columns:
        if any(isinstance(each, Over) for each in _within(column)):
            raise InvalidStepError(
                f"select: it has a window function, which each page would begin anew: {subquery}"
            )


def _distinct_on(statement: Select[Any]) -> bool:
    """As an argument of `distinct`, or by SQLAlchemy 2.1's `ext(distinct_on())`."""
    named = {each.__visit_name__ for each in statement.get_children()}
    return bool(statement._distinct_on) or "postgresql_distinct_on" in named


def _within(element: Any) -> Iterator[Any]:
    """It and what it is made of; not that of a select in it, which has rows of its own."""
    yield element
    for child in element.get_children():
        if not isinstance(child, SelectBase):
            yield from _within(child)


@contextmanager
def collections_refused() -> Iterator[None]:
    """Refuse, while rows are read, what SQLAlchemy would join a collection to.

    Raises:
        InvalidStepError: there is one, which gives rows twice.
    """
    try:
        yield
    except InvalidRequestError as error:
        if "joined eager loads against collections" not in str(error):
            raise
        raise InvalidStepError(
            'select: a collection of its objects is loaded by a join (joinedload, lazy="joined"), '
            "which gives rows twice: give it options(selectinload(...)) of it"
        ) from error


def refuse_tableless(tables: list[Leaf]) -> None:
    """Refuse a select of whose key nothing can be known.

    Raises:
        InvalidStepError: it is from no table.
    """
    if not any(leaf.is_table for leaf in tables):
        found = ", ".join(called(leaf.clause) for leaf in tables) or "nothing"
        raise InvalidStepError(
            f"select: it is from {found}, expected a table, whose metadata tell the key: "
            f"{_USE_QUERY}"
        )


def no_column(column: Any, statement: Select[Any], tables: list[Leaf]) -> InvalidStepError:
    """That what is in the key is no column of a table."""
    of = getattr(column, "table", None)
    if of is not None and not Leaf(of, may_be_empty=False).is_table:
        return InvalidStepError(
            f"select: {column} is of {called(of)}, expected a column of a table that it is from"
        )
    given = str(column).strip('"')
    name = given.removeprefix("-")
    meant = _column(name, statement, tables)
    if meant is None:
        return InvalidStepError(f"select: {column} is no column of a table that it is from")
    return InvalidStepError(
        f"select: found the name {given!r} in the key, expected the column: "
        f"give {meant}{'' if given == name else '.desc()'}"
    )


def _column(name: str, statement: Select[Any], tables: list[Leaf]) -> str | None:
    """What the user calls the column of this name, if there is one."""
    for described in statement.column_descriptions:
        entity = described.get("entity")
        if isinstance(entity, type) and name in inspect(entity).columns:
            return f"{entity.__name__}.{name}"
    for leaf in tables:
        if leaf.is_table and name in leaf.clause.c:
            is_named = isinstance(leaf.clause, Table)
            return f"{leaf.clause.name}.c.{name}" if is_named else "the column itself"
    return None

"""The key of a select: the columns by which its rows are put in order and told from one another."""

from __future__ import annotations

from collections.abc import Callable
from operator import eq
from typing import Any

from sqlalchemy import Enum, Float, Select, UnaryExpression, and_, asc, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Relationship
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import asc_op, desc_op

from rq_steps.errors import InvalidStepError
from rq_steps.sources.keyset import Column, Key, behind, by_ranges
from rq_steps.sources.mistaken import called
from rq_steps.sources.select_mistaken import no_column, refuse_tableless
from rq_steps.sources.select_tables import Leaf, full_name, is_same, leaves


class SelectKey:
    """Columns of the tables that a select is from, with their directions.

    Args:
        given: a column or a list of them; the primary key if None.

    Raises:
        InvalidStepError: it could be NULL, or is not known to be unique.
        TypeError, ValueError: it is no columns, or none.
    """

    def __init__(self, statement: Select[Any], given: Any) -> None:
        tables = leaves(statement)
        refuse_tableless(tables)
        if given is None:
            given = _primary_key(tables)
        self.order = [
            _directed(each) for each in (given if isinstance(given, list | tuple) else [given])
        ]
        """What the rows are ordered by."""
        self.columns: list[Any] = [each.element for each in self.order]
        if not self.columns:
            raise ValueError("key must be one or more columns, found none")
        for column in self.columns:
            leaf = next((leaf for leaf in tables if leaf.has(column)), None)
            if leaf is None:
                raise no_column(column, statement, tables)
            _refuse_unordered(column, leaf)
        _refuse_not_unique(self.columns, tables)
        _refuse_other_rows(self.columns, statement)

    @property
    def doubtful(self) -> list[Any]:
        """Columns of a primary key that may be NULL by what the metadata tell, and seldom are: so
        SQLAlchemy reflects those of SQLite."""
        return [column for column in self.columns if column.nullable]

    @property
    def named(self) -> list[Column]:
        return [Column(full_name(each.element), each.modifier is desc_op) for each in self.order]

    @property
    def labelled(self) -> list[Any]:
        """The columns under names that no user takes, to be selected beside the user's."""
        return [column.label(_mark(number)) for number, column in enumerate(self.columns)]

    @property
    def behind(self) -> list[Any]:
        """The conditions for the rows behind a key, whose values are given by `bound`."""
        share = _Shared if by_ranges(self.named) else eq
        return behind([_tests(*each, share) for each in enumerate(self.order)], and_)

    def bound(self, values: Key) -> dict[str, Any]:
        return {_mark(number): value for number, value in enumerate(values)}

    def refuse_enums(self, is_mysql: Callable[[], bool]) -> None:
        """Refuse those of MySQL. Other databases order them as they compare them."""
        for column in self.columns:
            if isinstance(column.type, Enum) and column.type.native_enum and is_mysql():
                raise InvalidStepError(
                    f"select: {full_name(column)} is an ENUM of MySQL, which orders it by number "
                    "and compares it as a text: take another column"
                )


def _mark(number: int) -> str:
    return f"rq_steps_key_{number}"


class _Shared(FunctionElement[bool]):
    """Is a column's value this one? The database says how it is asked only when the statement is
    written for it."""

    inherit_cache = True


@compiles(_Shared)
def _as_equal(element: Any, compiler: Any, **options: Any) -> str:
    column, value = element.clauses
    written: str = compiler.process(column == value, **options)
    return written


@compiles(_Shared, "mysql")
@compiles(_Shared, "mariadb")
def _as_range(element: Any, compiler: Any, **options: Any) -> str:
    column, value = element.clauses
    written: str = compiler.process(and_(column >= value, column <= value), **options)
    return written


def _tests(
    number: int, directed: UnaryExpression[Any], share: Callable[[Any, Any], Any]
) -> tuple[Any, Any]:
    column: Any = directed.element
    value = bindparam(_mark(number), type_=column.type)
    strictly = column < value if directed.modifier is desc_op else column > value
    return strictly, share(column, value)


def _directed(given: Any) -> UnaryExpression[Any]:
    """A column of the key, with its direction: ascending where none is given."""
    is_relationship = isinstance(getattr(given, "property", None), Relationship)
    if is_relationship or not (isinstance(given, str) or hasattr(given, "__clause_element__")):
        found = f"the relationship {given}" if is_relationship else called(given)
        raise TypeError(
            f"key takes a column, as User.id or table.c.id, or a list of them, found {found}"
        )
    directed = given if isinstance(given, UnaryExpression) else asc(given)
    if getattr(directed, "modifier", None) not in (asc_op, desc_op):
        raise InvalidStepError(f"select: a key is of columns, their asc() or desc(), found {given}")
    return directed


def _primary_key(tables: list[Leaf]) -> list[Any]:
    columns = tables[0].primary_key
    if not columns:
        raise InvalidStepError("select: what it is from has no primary key: give key=")
    return columns


def _refuse_unordered(column: Any, leaf: Leaf) -> None:
    """Refuse what has no place in an order."""
    name = full_name(column)
    if (column.nullable and not column.primary_key) or leaf.may_be_empty:
        why = "outer join" if leaf.may_be_empty else "nullable"
        raise InvalidStepError(
            f"select: {name} may be NULL ({why}), which is before and behind no other: "
            "take a column that is not"
        )
    if isinstance(column.type, Float):
        raise InvalidStepError(f"select: {name} is a float, which is not exact: no key")


def _refuse_not_unique(columns: list[Any], tables: list[Leaf]) -> None:
    if not any(leaf.is_unique_by(columns) for leaf in tables):
        names = ", ".join(map(full_name, columns))
        raise InvalidStepError(
            f"select: the key {names} is not known to be unique, and rows could be skipped: "
            "add the columns of the primary key, or of a unique constraint of the table"
        )


def _refuse_other_rows(columns: list[Any], statement: Select[Any]) -> None:
    """With its key beside it, each of the rows would be distinct."""
    if not statement.compare(statement.distinct()):
        return
    for column in columns:
        if not any(is_same(column, each) for each in statement.selected_columns):
            raise InvalidStepError(
                "select: it has DISTINCT, and not all of its key is selected: "
                f"select {full_name(column)}, too"
            )

"""The tables that a select is from, and what their metadata say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import Alias, Column, Index, Join, Select, Table, UniqueConstraint
from sqlalchemy.sql.selectable import FromGrouping


class Leaf(NamedTuple):
    """What a select is from when its joins are taken apart: a table or an alias, or something
    else."""

    clause: Any
    may_be_empty: bool
    """By an outer join."""

    @property
    def is_table(self) -> bool:
        return _table(self.clause) is not None

    @property
    def primary_key(self) -> list[Any]:
        return list(self.clause.primary_key) if self.is_table else []

    def has(self, column: Any) -> bool:
        is_of_table = isinstance(column, Column) and _table(column.table) is not None
        return is_of_table and bool(self.clause == column.table)

    def is_unique_by(self, columns: list[Any]) -> bool:
        """Is it known that no two of its rows have the same values in these columns?"""
        table = _table(self.clause)
        names = {column.name for column in columns if self.has(column)}
        return table is not None and any(names >= unique for unique in _unique(table))


def leaves(statement: Select[Any]) -> list[Leaf]:
    return [leaf for each in statement.get_final_froms() for leaf in _leaves(each, empty=False)]


def is_same(column: Any, other: Any) -> bool:
    """Is it this column, of the same alias? To `compare` all aliases of a table are one."""
    return bool(column.compare(other)) and bool(column.table == other.table)


def full_name(column: Any) -> str:
    """As the record names it: an alias may have another name each time."""
    return f"{_table(column.table).fullname}.{column.name}"


def _leaves(clause: Any, *, empty: bool) -> Iterator[Leaf]:
    if isinstance(clause, FromGrouping):
        yield from _leaves(clause.element, empty=empty)
    elif isinstance(clause, Join):
        yield from _leaves(clause.left, empty=empty or clause.full)
        yield from _leaves(clause.right, empty=empty or clause.full or clause.isouter)
    else:
        yield Leaf(clause, empty)


def _table(clause: Any) -> Any:
    """The table that it is, or is an alias of."""
    while isinstance(clause, Alias):
        clause = clause.element
    return clause if isinstance(clause, Table) else None


def _unique(table: Table) -> Iterator[set[str]]:
    """The names of columns that are unique together. What only one database knows, a partial index
    for instance, is left out."""
    if table.primary_key.columns:
        yield {column.name for column in table.primary_key.columns}
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield {column.name for column in constraint.columns}
    for index in table.indexes:
        of_columns = all(isinstance(each, Column) for each in index.expressions)
        if index.unique and of_columns and not _is_partial(index):
            yield {column.name for column in index.columns}


def _is_partial(index: Index) -> bool:
    """By postgresql_where, or another database's. What else is said of an index, as reflection
    does, leaves its columns unique."""
    options = index.dialect_kwargs.items()
    return any(name.endswith("_where") and value is not None for name, value in options)

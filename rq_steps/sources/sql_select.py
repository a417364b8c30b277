"""A `select` of SQLAlchemy, of columns or of mapped classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import compress
from operator import itemgetter
from typing import Any, TypeAlias

from sqlalchemy import (
    Alias,
    Connection,
    Engine,
    Enum,
    Float,
    Join,
    Select,
    Table,
    UnaryExpression,
    UniqueConstraint,
    and_,
    asc,
    bindparam,
    func,
    inspect,
    select,
)
from sqlalchemy import Column as TableColumn
from sqlalchemy.orm import QueryableAttribute, Session, scoped_session, sessionmaker
from sqlalchemy.sql.operators import asc_op, desc_op
from sqlalchemy.sql.selectable import FromGrouping

from rq_steps.errors import InvalidStepError
from rq_steps.sources.keyset import Column, Key, KeysetSource, Values, behind
from rq_steps.sources.protocol import Source
from rq_steps.values import JSON

Bind: TypeAlias = "Engine | Connection | Session | sessionmaker[Any] | scoped_session[Any]"
Opened: TypeAlias = "Callable[[], AbstractContextManager[Any]]"
Parted: TypeAlias = "Callable[[Any], tuple[Sequence[Any], list[Values]]]"


def select_source(statement: Any, bind: Any, key: Any, page: int, *, count: bool) -> Source[Any]:
    """The rows of a select."""
    if not isinstance(statement, Select):
        raise TypeError(f"rows takes a select of SQLAlchemy, found {type(statement).__name__}")
    if isinstance(bind, scoped_session):
        bind = bind()
    source = SelectSource(statement, bind, key, page, count=count)
    if isinstance(bind, Session) and any(map(_is_mapped, statement.column_descriptions)):
        return AttachedRows(source, bind)
    return source


class SelectSource(KeysetSource):
    """The rows of a select. Objects are detached, unless the session is the user's."""

    kind = "select"

    def __init__(
        self, statement: Select[Any], bind: Any, key: Any, page: int, *, count: bool
    ) -> None:
        _refuse_clauses(statement)
        self._bind = bind
        self._open = _opener(bind, statement)
        tables = _Tables(statement)
        self._key_columns = tables.key(key)
        columns = [
            Column(_name(each.element), each.modifier is desc_op) for each in self._key_columns
        ]
        _refuse_other_rows(statement, [each.element for each in self._key_columns])
        super().__init__(columns, page, count=count)
        self._mapped = list(map(_is_mapped, statement.column_descriptions))
        self._statement = statement.order_by(*self._key_columns).limit(self._limit)
        added, self._parted = _parting(statement, [each.element for each in self._key_columns])
        if added:
            self._statement = self._statement.add_columns(*added)
        tests = [_tests(*each) for each in enumerate(self._key_columns)]
        self._behind = [self._statement.where(each) for each in behind(tests, and_)]
        self._given = statement
        self._enums: list[Any] = [
            each.element for each in self._key_columns if isinstance(each.element.type, Enum)
        ]

    def objects_in(self, item: Any) -> list[Any]:
        """The objects of mapped classes in what is handed out; an outer join leaves some out."""
        if len(self._mapped) == 1:
            return [item]
        return [each for each in compress(item, self._mapped) if each is not None]

    def _read(self, after: Key | None) -> tuple[Sequence[Any], list[Values]]:
        statements = [self._statement] if after is None else self._behind
        bound = {_mark(number): value for number, value in enumerate(after or ())}
        options = {"populate_existing": self._may_refresh()}
        with self._open() as opened:
            self._refuse_enums(opened)
            return self._joined(
                self._parted(opened.execute(statement, bound, execution_options=options))
                for statement in statements
            )

    def _refuse_enums(self, opened: Any) -> None:
        """Of MySQL. Those of other databases are ordered as they are compared."""
        for column in self._enums:
            connection = opened.connection() if isinstance(opened, Session) else opened
            if connection.dialect.name in ("mysql", "mariadb") and column.type.native_enum:
                raise InvalidStepError(
                    f"select: {_name(column)} is an ENUM of MySQL, which orders it by number and "
                    "compares it as a text: take another column"
                )

    def _may_refresh(self) -> bool:
        """Objects that a session has already would stay as they were. Outside of a transaction no
        change of the user's can be waiting in them."""
        return isinstance(self._bind, Session) and not self._bind.in_transaction()

    def _count(self) -> int:
        statement = select(func.count()).select_from(self._given.subquery())
        with self._open() as opened:
            counted: int = opened.execute(statement).scalar_one()
            return counted


class AttachedRows(Source[Any]):
    """The same with objects that belong to the user's session, one by one.

    A commit or rollback of the user's expires the others of the page, and he may drop them from
    the session: each is read anew when its turn comes, if it is still there. The session itself
    refers to unchanged objects weakly, so that they do not pile up.
    """

    kind = SelectSource.kind

    def __init__(self, source: SelectSource, session: Session) -> None:
        self._source = source
        self._session = session

    @property
    def contract(self) -> JSON:
        return self._source.contract

    @property
    def total(self) -> int | None:
        return self._source.total

    @property
    def unit(self) -> str:
        return self._source.unit

    def open(self, cursor: Any) -> Iterator[tuple[Any, Any]]:
        for page in self._source.pages(cursor):
            for done, item in enumerate(page.items, 1):
                if all(map(self._is_there, self._source.objects_in(item))):
                    yield item, page.cursor(done)

    def _is_there(self, item: Any) -> bool:
        state = inspect(item)
        if item in self._session and not state.expired:
            return True
        if state.deleted or state.was_deleted:
            return False
        with _left_as_found(self._session):
            self._session.add(item)
            found = self._session.get(state.mapper, state.identity, populate_existing=True)
            return found is not None


class _Tables:
    """What a select is from: tables and aliases of them, and whether a join may leave one empty."""

    def __init__(self, statement: Select[Any]) -> None:
        froms = statement.get_final_froms()
        self._leaves = [leaf for each in froms for leaf in _leaves(each, nullable=False)]

    def key(self, given: Any) -> list[UnaryExpression[Any]]:
        """The columns of the key, with their directions.

        Raises:
            InvalidStepError: it could be NULL, or is not known to be unique.
        """
        if given is None:
            given = self._primary_key()
        key = [_directed(each) for each in (given if isinstance(given, list | tuple) else [given])]
        for each in key:
            self._refuse_unordered(each.element)
        if not any(self._is_unique_in(leaf, key) for leaf, _ in self._leaves):
            names = ", ".join(_name(each.element) for each in key) or "nothing"
            raise InvalidStepError(
                f"select: the key {names} is not known to be unique, and rows could be skipped: "
                "add the columns of the primary key, or of a unique constraint of the table"
            )
        return key

    def _primary_key(self) -> list[Any]:
        leaf = self._leaves[0][0] if self._leaves else None
        columns = [] if leaf is None or _table(leaf) is None else list(leaf.primary_key)
        if not columns:
            raise InvalidStepError("select: what it is from has no primary key: give key=")
        return columns

    def _refuse_unordered(self, column: Any) -> None:
        """Refuse what is no column of a table, or has no place in an order."""
        in_table = isinstance(column, TableColumn) and _table(column.table) is not None
        leaf = next((leaf for leaf in self._leaves if in_table and leaf[0] == column.table), None)
        if leaf is None:
            raise InvalidStepError(f"select: {column} is no column of a table that it is from")
        name = _name(column)
        if column.nullable or leaf[1]:
            why = "outer join" if leaf[1] else "nullable"
            raise InvalidStepError(
                f"select: {name} may be NULL ({why}), which is before and behind no other: "
                "take a column that is not"
            )
        if isinstance(column.type, Float):
            raise InvalidStepError(f"select: {name} is a float, which is not exact: no key")

    def _is_unique_in(self, leaf: Any, key: list[UnaryExpression[Any]]) -> bool:
        table = _table(leaf)
        names = {each.element.name for each in key if each.element.table == leaf}
        return table is not None and any(names >= unique for unique in _unique(table))


def _parting(statement: Select[Any], key: Sequence[Any]) -> tuple[list[Any], Parted]:
    """What parts a result into rows and their keys, and the columns that it needs for that."""
    described = statement.column_descriptions
    places = _places(statement, key)
    if places is not None:
        return [], partial(_part_in_place, places)
    added = [column.label(_mark(number)) for number, column in enumerate(key)]
    if len(described) == 1 and _is_mapped(described[0]):
        return added, partial(_part_objects, len(key))
    return added, partial(_part_off, len(described), len(key))


def _places(statement: Select[Any], key: Sequence[Any]) -> list[int] | None:
    """Where the key is among the columns of a row, if it is there."""
    described = [each["expr"] for each in statement.column_descriptions]
    selected = list(statement.selected_columns)
    if len(selected) != len(described) or not all(map(_is_column, described)):
        return None
    found = [
        next((at for at, each in enumerate(selected) if column.compare(each)), -1) for column in key
    ]
    return None if -1 in found else found


def _part_in_place(places: list[int], result: Any) -> tuple[Sequence[Any], list[Values]]:
    rows = result.all()
    return rows, [list(map(itemgetter(place), rows)) for place in places]


def _part_objects(key: int, result: Any) -> tuple[Sequence[Any], list[Values]]:
    rows = result.all()
    items, *keys = [list(map(itemgetter(place), rows)) for place in range(1 + key)]
    return items, keys


def _part_off(width: int, key: int, result: Any) -> tuple[Sequence[Any], list[Values]]:
    frozen = result.freeze()
    keys = [frozen().scalars(width + place).all() for place in range(key)]
    return frozen().columns(*range(width)).all(), keys


def _refuse_clauses(statement: Select[Any]) -> None:
    """Refuse what does not go together with pages: an equal statement has no such clause."""
    without = {
        "ORDER BY": (statement.order_by(None), "give the order as key="),
        "LIMIT or OFFSET": (statement.limit(None).offset(None), "break the loop instead"),
        "GROUP BY": (statement.group_by(None), "select from it as a subquery"),
    }
    for clause, (other, advice) in without.items():
        if not statement.compare(other):
            raise InvalidStepError(f"select: it has {clause}, and pages have their own: {advice}")


def _refuse_other_rows(statement: Select[Any], key: Sequence[Any]) -> None:
    """With its key beside it, each of the rows would be distinct."""
    if not statement.compare(statement.distinct()):
        return
    for column in key:
        if not any(column.compare(each) for each in statement.selected_columns):
            raise InvalidStepError(
                "select: it has DISTINCT, and not all of its key is selected: "
                f"select {_name(column)}, too"
            )


def _directed(given: Any) -> UnaryExpression[Any]:
    """A column of the key, with its direction: ascending where none is given."""
    directed = given if isinstance(given, UnaryExpression) else asc(given)
    if directed.modifier not in (asc_op, desc_op):
        raise InvalidStepError(f"select: a key is of columns, their asc() or desc(), found {given}")
    return directed


def _tests(number: int, directed: UnaryExpression[Any]) -> tuple[Any, Any]:
    column: Any = directed.element
    value = bindparam(_mark(number), type_=column.type)
    if directed.modifier is desc_op:
        return column < value, column == value
    return column > value, column == value


def _mark(number: int) -> str:
    return f"rq_steps_key_{number}"


def _leaves(clause: Any, *, nullable: bool) -> Iterator[tuple[Any, bool]]:
    if isinstance(clause, FromGrouping):
        yield from _leaves(clause.element, nullable=nullable)
    elif isinstance(clause, Join):
        yield from _leaves(clause.left, nullable=nullable or clause.full)
        yield from _leaves(clause.right, nullable=nullable or clause.full or clause.isouter)
    else:
        yield clause, nullable


def _table(leaf: Any) -> Any:
    """The table that it is, or is an alias of."""
    while isinstance(leaf, Alias):
        leaf = leaf.element
    return leaf if isinstance(leaf, Table) else None


def _name(column: Any) -> str:
    """As the record names it: an alias may have another name each time."""
    return f"{_table(column.table).fullname}.{column.name}"


def _unique(table: Table) -> Iterator[set[str]]:
    """The names of columns that are unique together. What only one database knows, a partial index
    for instance, is left out."""
    if table.primary_key.columns:
        yield {column.name for column in table.primary_key.columns}
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield {column.name for column in constraint.columns}
    for index in table.indexes:
        if index.unique and not index.dialect_kwargs and all(map(_is_column, index.expressions)):
            yield {column.name for column in index.columns}


def _is_column(given: Any) -> bool:
    return isinstance(given, TableColumn | QueryableAttribute)


def _is_mapped(description: Any) -> bool:
    """Is it a mapped class, and not one of its columns?"""
    entity = description.get("entity")
    return entity is not None and description["expr"] is entity


def _opener(bind: Any, statement: Select[Any]) -> Opened:
    """What opens something to read a page with, and leaves nothing open behind it."""
    if isinstance(bind, Session):
        return partial(_left_as_found, bind)
    if isinstance(bind, sessionmaker):
        return bind
    if any(map(_is_mapped, statement.column_descriptions)) and isinstance(
        bind, Engine | Connection
    ):
        return partial(Session, bind)
    if isinstance(bind, Engine):
        return bind.connect
    if isinstance(bind, Connection):
        return partial(_left_as_found, bind)
    raise TypeError(
        "rows reads through an Engine, Connection, Session or sessionmaker of SQLAlchemy, "
        f"found {type(bind).__name__}"
    )


@contextmanager
def _left_as_found(given: Any) -> Iterator[Any]:
    """A session or connection, out of a transaction where it was out of one.

    To close a transaction leaves the objects as they are: a commit would expire them.
    """
    if given.in_transaction():
        yield given
        return
    transaction = given.begin()
    try:
        yield given
    finally:
        transaction.close()

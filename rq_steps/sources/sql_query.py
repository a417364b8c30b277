"""A query in SQL, over a connection of any DB-API driver."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from operator import itemgetter
from typing import Any, TypeAlias

from rq_steps.errors import InvalidStepError
from rq_steps.sources.key_names import named
from rq_steps.sources.keyset import Key, KeysetSource, Values
from rq_steps.sources.mistaken import called
from rq_steps.sources.query_condition import ALL, NONE, NONE_BY_VALUE, Condition, rows_behind
from rq_steps.sources.query_connection import (
    Paramstyle,
    is_mysql,
    keeps_percent_signs,
    opener,
    paramstyle_of,
    refuse_unknown_style,
)

Params: TypeAlias = "Sequence[Any] | Mapping[str, Any] | None"

_PLAIN_NAME = re.compile(r"[^\W\d]\w*")


class QuerySource(KeysetSource):
    """The rows of a query, as the driver gives them."""

    kind = "query"

    def __init__(
        self,
        sql: str,
        connection: Any,
        params: Params,
        key: str | Sequence[str],
        page: int,
        *,
        count: bool,
        paramstyle: Paramstyle | None,
    ) -> None:
        _refuse_other_sql(sql)
        _refuse_other_params(params)
        refuse_unknown_style(paramstyle)
        columns = named(key)
        for column in columns:
            _refuse_expression(column.name)
        super().__init__(columns, page, count=count)
        self._opened = opener(connection)
        self._sql = sql.strip().rstrip(";")
        self._escaped: str | None = None
        self._params = params
        self._paramstyle = paramstyle

    def _begin(self) -> None:
        with self._opened() as connection:
            self._refuse_other_columns(connection)
            self._refuse_other_style(connection)
            self._refuse_null(connection)

    def _end(self) -> None:
        with self._opened() as connection:
            self._refuse_null(connection)

    def _read(self, after: Key | None) -> tuple[Sequence[Any], list[Values]]:
        order = ", ".join(
            f"q.{name} {'DESC' if descending else 'ASC'}" for name, descending in self._columns
        )
        rest = f"ORDER BY {order} LIMIT {self._limit}"
        with self._opened() as connection:
            if after is None:
                return self._with_keys(*self._select(connection, "q.*", ALL, rest))
            self._refuse_second(connection, after)
            return self._joined(
                self._with_keys(*self._select(connection, "q.*", where, rest))
                for where in rows_behind(self._columns, after, in_mysql=is_mysql(connection))
            )

    def _count(self) -> int:
        with self._opened() as connection:
            rows, names = self._select(connection, "COUNT(*) AS rq_steps_count", ALL)
        counted: int = rows[0][names[0] if isinstance(rows[0], Mapping) else 0]
        return counted

    def _refuse_other_columns(self, connection: Any) -> None:
        _, names = self._select(connection, "q.*", NONE)
        for name, _ in self._columns:
            _place(name, names)

    def _refuse_other_style(self, connection: Any) -> None:
        """A query without parameters has no placeholder before its second page."""
        try:
            self._select(connection, "1 AS rq_steps_one", NONE_BY_VALUE)
        except Exception as error:
            if self._paramstyle is None:
                raise
            raise InvalidStepError(
                f"query: found paramstyle={self._paramstyle!r}, which {called(connection)} does "
                "not take: give the driver's"
            ) from error

    def _refuse_null(self, connection: Any) -> None:
        """No row that has one would ever be behind another."""
        for name, _ in self._columns:
            where = Condition(f"q.{name} IS NULL")
            if self._select(connection, "1 AS rq_steps_one", where, "LIMIT 1")[0]:
                raise self._has_null(name)

    def _refuse_second(self, connection: Any, key: Key) -> None:
        """Ask the database, whose collation may take two texts for one."""
        text = " AND ".join(f"q.{name} = {{}}" for name, _ in self._columns)
        where = Condition(text, key)
        if len(self._select(connection, "1 AS rq_steps_one", where, "LIMIT 2")[0]) > 1:
            raise self._not_unique(key)

    def _select(
        self, connection: Any, what: str, where: Condition, rest: str = ""
    ) -> tuple[Sequence[Any], list[str]]:
        """The rows of a select around the query, and the names of their columns."""
        sql, marks, params = self._bound(connection, where.values)
        # The query ends with its line: a comment may be the last that it has.
        text = f"SELECT {what} FROM (\n{sql}\n) q WHERE {where.text.format(*marks)} {rest}"
        with closing(connection.cursor()) as cursor:
            cursor.execute(text, *([params] if params else []))
            return cursor.fetchall(), [column[0] for column in cursor.description]

    def _bound(
        self, connection: Any, values: Sequence[Any]
    ) -> tuple[str, list[str], Mapping[str, Any] | tuple[Any, ...]]:
        """The query, a placeholder for each of these values, and the parameters of both."""
        given = self._params or ()
        if not values:
            return self._sql, [], given if isinstance(given, Mapping) else tuple(given)
        style = self._paramstyle or paramstyle_of(connection)
        percent = style in ("format", "pyformat")
        sql = self._with_escapes(connection) if percent and not given else self._sql
        if isinstance(given, Mapping) or (not given and style == "named"):
            names = [f"rq_steps_{number}" for number in range(len(values))]
            marks = [f"%({name})s" if percent else f":{name}" for name in names]
            return sql, marks, {**dict(given), **dict(zip(names, values, strict=True))}
        mark = "%s" if percent else "?" if style == "qmark" else ":{}"
        marks = [mark.format(len(given) + number) for number in range(1, len(values) + 1)]
        return sql, marks, (*given, *values)

    def _with_escapes(self, connection: Any) -> str:
        """The query, for an execution with parameters. Nearly all drivers that read "%s" read "%%"
        there, and "%" where there are none; MySQL's own leaves both as they are."""
        if self._escaped is None:
            kept = "%" not in self._sql or keeps_percent_signs(connection)
            self._escaped = self._sql if kept else self._sql.replace("%", "%%")
        return self._escaped

    def _with_keys(
        self, rows: Sequence[Any], names: list[str]
    ) -> tuple[Sequence[Any], list[Values]]:
        places: list[Any] = [_place(name, names) for name, _ in self._columns]
        if rows and isinstance(rows[0], Mapping):
            places = [names[place] for place in places]
        elif rows and (isinstance(rows[0], str | bytes) or not hasattr(rows[0], "__getitem__")):
            raise InvalidStepError(
                f"query: its rows are of type {type(rows[0]).__name__}, and do not tell their key: "
                "take tuples or dicts"
            )
        return rows, [list(map(itemgetter(place), rows)) for place in places]


def _refuse_other_sql(sql: Any) -> None:
    if isinstance(sql, str):
        return
    advice = ""
    if hasattr(sql, "cursor") or callable(sql):
        advice = ": the SQL comes first, query(sql, connection)"
    elif hasattr(sql, "selected_columns"):
        advice = ": use rows(select, engine)"
    elif isinstance(getattr(sql, "text", None), str):
        advice = ": give its text"
    raise TypeError(f"query takes its SQL as text, found {called(sql)}{advice}")


def _refuse_other_params(params: Any) -> None:
    is_text = isinstance(params, str | bytes)
    if params is not None and (is_text or not isinstance(params, Sequence | Mapping)):
        raise TypeError(f"query takes params as a sequence or a mapping, found {called(params)}")


def _refuse_expression(name: str) -> None:
    if _PLAIN_NAME.fullmatch(name):
        return
    column, _, direction = name.rpartition(" ")
    advice = {"ASC": f'give "{column}"', "DESC": f'give "-{column}"'}.get(direction.upper())
    raise ValueError(f"key takes names of columns, found {name!r}: {advice or 'name it with AS'}")


def _place(name: str, names: list[str]) -> int:
    """Where the column is. Databases fold the case of names, each in its own way."""
    places = [at for at, each in enumerate(names) if each.casefold() == name.casefold()]
    if len(places) != 1:
        raise InvalidStepError(
            f"query: found the columns {', '.join(names)}, expected one {name} among them, for the "
            "key: select it, too"
        )
    return places[0]

"""Tables: a `select` of SQLAlchemy, a `QuerySet` of Django, or a query of any DB-API driver.

Rows are read in pages, by the key of the row before (keyset pagination): no OFFSET, and no cursor
or transaction that stays open. SQLAlchemy and Django are imported with an object of theirs, not
before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from rq_steps.sources.keyset import PAGE
from rq_steps.sources.protocol import Source

if TYPE_CHECKING:
    from sqlalchemy import Row, Select
    from sqlalchemy.sql.selectable import SelectBase
    from typing_extensions import Unpack

    from rq_steps.sources.query_connection import Paramstyle
    from rq_steps.sources.select_bind import Bind
    from rq_steps.sources.select_types import (
        Column,
        Columns,
        First,
        Object,
        Others,
        Second,
        Untold,
    )

Item = TypeVar("Item", covariant=True)


@overload
def rows(
    select: Select[Untold] | Select[tuple[Untold]],
    bind: Bind,
    *,
    key: Any = ...,
    page: int = ...,
    count: bool = ...,
) -> Source[Any]: ...


@overload
def rows(
    select: Select[Object] | Select[tuple[Object]],
    bind: Bind,
    *,
    key: Any = ...,
    page: int = ...,
    count: bool = ...,
) -> Source[Object]: ...


@overload
def rows(
    select: Select[Columns], bind: Bind, *, key: Any = ..., page: int = ..., count: bool = ...
) -> Source[Row[Columns]]: ...


@overload
def rows(
    select: Select[Column], bind: Bind, *, key: Any = ..., page: int = ..., count: bool = ...
) -> Source[Any]: ...


@overload
def rows(
    select: Select[First, Second, Unpack[Others]],
    bind: Bind,
    *,
    key: Any = ...,
    page: int = ...,
    count: bool = ...,
) -> Source[Row[First, Second, Unpack[Others]]]: ...


@overload
def rows(
    select: SelectBase, bind: Bind, *, key: Any = ..., page: int = ..., count: bool = ...
) -> Source[Any]: ...


def rows(
    select: SelectBase,
    bind: Bind,
    *,
    key: Any = None,
    page: int = PAGE,
    count: bool = False,
) -> Source[Any]:
    """The rows of SQLAlchemy's `select(...)`; if it is of one mapped class, its objects.

    Args:
        select: without ORDER BY, LIMIT and GROUP BY.
        bind: an engine or sessionmaker, of which each page takes a connection and gives it back:
            then objects are detached. Or a connection or session of yours, which is out of a
            transaction after a page if it was before: the session's objects belong to it.
        key: a column or a list of them, ascending or with `.desc()`; the primary key if None.
            They have to be NOT NULL, and unique together by what the table's metadata says.
        page: rows that are read at once.
        count: is `total` to be had, by a COUNT(*)?

    Raises:
        InvalidStepError: a clause that does not go together with pages, or a key in which rows
            could be skipped.
        TypeError: it is no select, or nothing that reads one.
    """
    from rq_steps.sources.sql_select import select_source

    return select_source(select, bind, key, page, count=count)


class QuerySet(Protocol[Item]):
    """What type checkers know a QuerySet of Django by."""

    def __iter__(self) -> Iterator[Item]: ...

    def order_by(self, *fields: Any) -> Any: ...


def queryset(
    queryset: QuerySet[Item],
    *,
    key: str | Sequence[str] | None = None,
    page: int = PAGE,
    count: bool = False,
) -> Source[Item]:
    """The objects of Django's `QuerySet`, or its dicts if it is of `values()`.

    Args:
        queryset: without a slice. To hand it to `step.each` as it is does the same.
        key: names of fields of the model, "-" before one for descending; without it, those of
            `order_by(...)`, or the primary key. They may not be null, and have to be unique
            together by what the model says. The ordering in the model's Meta does not count.
        page: rows that are read at once.
        count: is `total` to be had, by a COUNT(*)?

    Raises:
        InvalidStepError: a key in which rows could be skipped.
    """
    from rq_steps.sources.django_queryset import QuerySetSource

    return QuerySetSource(queryset, key, page, count=count)


def query(
    sql: str,
    connection: Any,
    params: Sequence[Any] | Mapping[str, Any] | None = None,
    *,
    key: str | Sequence[str],
    page: int = PAGE,
    count: bool = False,
    paramstyle: Paramstyle | None = None,
) -> Source[Any]:
    """The rows of a query of any DB-API driver, as the driver gives them.

    The query becomes a subquery, with the key in a WHERE, ORDER BY and LIMIT around it. So its
    columns need names of their own, and the database has to know LIMIT.

    Args:
        sql: a SELECT, with placeholders in the driver's style.
        connection: the driver's, out of a transaction after a page if it was before. Or a function
            that makes one, or opens one of a pool: it is closed, or given back, after each page.
        params: for its placeholders.
        key: names of columns of the query, "-" before one for descending. They may not be NULL, and
            have to be unique together, also to the database: where its collation ignores case, "a"
            is "A".
        page: rows that are read at once.
        count: is `total` to be had, by a COUNT(*)?
        paramstyle: the driver's, where its module does not tell.

    Raises:
        TypeError: the connection does not tell whether it is in a transaction.
    """
    from rq_steps.sources.sql_query import QuerySource

    return QuerySource(sql, connection, params, key, page, count=count, paramstyle=paramstyle)

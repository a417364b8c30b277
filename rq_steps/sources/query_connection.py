"""The connection that a query is read through, of any DB-API driver."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

from rq_steps.errors import InvalidStepError
from rq_steps.sources.mistaken import called
from rq_steps.transactions import transaction_test

Paramstyle: TypeAlias = Literal["qmark", "numeric", "named", "format", "pyformat"]

_OF_MYSQL = frozenset({"MySQLdb", "mariadb", "mysql", "pymysql"})
"""Packages of its drivers."""


def opener(connection: Any) -> Callable[[], AbstractContextManager[Any]]:
    """What opens a connection to read a page with, and leaves no transaction open behind it.

    Raises:
        TypeError: it does not tell whether it is in a transaction.
    """
    if not hasattr(connection, "cursor"):
        if not callable(connection):
            raise _unfit("found", connection)
        return partial(_given_back, connection)
    known = transaction_test(connection)
    if known is not None:
        return partial(_left_as_found, connection, known)
    if _commits_by_itself(connection):
        return partial(nullcontext, connection)
    raise TypeError(
        f"query: a {type(connection).__name__} does not tell whether it is in a transaction, and "
        "one could stay open: give a function that makes a connection"
    )


def _commits_by_itself(connection: Any) -> bool:
    if hasattr(connection, "get_autocommit"):  # mysqlclient, whose `autocommit` sets it
        return bool(connection.get_autocommit())
    return getattr(connection, "autocommit", None) is True


@contextmanager
def _given_back(make: Callable[[], Any]) -> Iterator[Any]:
    with _opening(make(), getattr(make, "__self__", None)) as connection:
        if not hasattr(connection, "cursor"):
            raise _unfit("the function gave", connection)
        yield connection


def _opening(made: Any, maker: Any) -> AbstractContextManager[Any]:
    if hasattr(made, "cursor"):
        # To psycopg's pools a connection that is only closed is one that is still out.
        is_of_pool = hasattr(maker, "putconn")
        return _rolled_back(made, partial(maker.putconn, made) if is_of_pool else made.close)
    # What a pool gives may be something that only opens the connection.
    if isinstance(made, AbstractContextManager):
        return made
    raise _unfit("the function gave", made)


@contextmanager
def _rolled_back(connection: Any, give_back: Callable[[], object]) -> Iterator[Any]:
    """PgBouncer drops the server's connection where a client leaves in a transaction."""
    try:
        yield connection
    finally:
        with suppress(Exception):  # of one that is lost, or knows no transactions
            connection.rollback()
        give_back()


def _unfit(how: str, found: Any) -> TypeError:
    is_of_sqlalchemy = type(found).__module__.partition(".")[0] == "sqlalchemy"
    return TypeError(
        "query reads through a connection of a DB-API driver or a function that makes one, "
        f"{how} {called(found)}{': give engine.raw_connection' if is_of_sqlalchemy else ''}"
    )


@contextmanager
def _left_as_found(connection: Any, is_open: Callable[[], bool]) -> Iterator[Any]:
    was_open = is_open()
    try:
        yield connection
    finally:
        if not was_open and is_open():
            connection.rollback()


def is_mysql(connection: Any) -> bool:
    """Is it one of MySQL or MariaDB, as far as its driver tells?"""
    if hasattr(connection, "in_atomic_block"):  # Django
        return bool(connection.vendor == "mysql")
    return any(
        base.__module__.partition(".")[0] in _OF_MYSQL for base in type(_driver(connection)).__mro__
    )


def _driver(connection: Any) -> Any:
    """The driver's connection: SQLAlchemy's stand around it."""
    return getattr(connection, "dbapi_connection", connection)


def keeps_percent_signs(connection: Any) -> bool:
    """Does the driver leave "%%" as it is, where there are parameters?"""
    with closing(connection.cursor()) as cursor:
        cursor.execute("SELECT '%%' AS rq_steps_percent, %s AS rq_steps_one", (1,))
        row = cursor.fetchall()[0]
    found = row["rq_steps_percent"] if isinstance(row, Mapping) else row[0]
    return bool(found == "%%")


def refuse_unknown_style(given: Any) -> None:
    """Refuse a paramstyle that the DB-API does not know.

    Raises:
        ValueError: it is none.
    """
    styles = get_args(Paramstyle)
    if given is not None and given not in styles:
        raise ValueError(f"paramstyle is one of {', '.join(styles)}, found {given!r}")


def paramstyle_of(connection: Any) -> str:
    """That of the driver's module: the first around the connection's class that has one.

    Raises:
        InvalidStepError: none of them has one.
    """
    if hasattr(connection, "in_atomic_block"):  # Django, which rewrites them for its driver
        return "format"
    name = type(_driver(connection)).__module__
    while name:
        style = getattr(sys.modules.get(name), "paramstyle", None)
        if style in get_args(Paramstyle):
            return str(style)
        name = name.rpartition(".")[0]
    raise InvalidStepError(
        f"query: the module of {type(connection).__qualname__} has no paramstyle: "
        "give the driver's, as paramstyle="
    )

"""What a select is read through: an engine, or a connection or session of the user's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, TypeAlias

from sqlalchemy import Connection, Engine, Select
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from rq_steps.sources.mistaken import called

Bind: TypeAlias = "Engine | Connection | Session | sessionmaker[Any] | scoped_session[Any]"
Opener: TypeAlias = "Callable[[], AbstractContextManager[Any]]"


def opener(bind: Any, *, by_orm: bool) -> Opener:
    """What opens something to read a page with, and leaves nothing open behind it.

    Args:
        by_orm: does the ORM make what is handed out? It needs a session.

    Raises:
        TypeError: nothing can be read through it.
    """
    if isinstance(bind, Session | scoped_session):
        return lambda: left_as_found(session_of(bind))
    if _is_async(bind):
        raise _unfit(bind, ", which is async: give an engine of create_engine(...)")
    if isinstance(bind, sessionmaker):
        return bind
    if by_orm and isinstance(bind, Engine | Connection):
        return partial(Session, bind)
    if isinstance(bind, Engine):
        return bind.connect
    if isinstance(bind, Connection):
        return partial(left_as_found, bind)
    raise _unfit(bind, _advice(bind))


def _advice(bind: Any) -> str:
    if isinstance(bind, type):
        return f": give {bind.__name__}(engine)" if issubclass(bind, Session) else ""
    # As Flask-SQLAlchemy's does.
    has_both = hasattr(type(bind), "engine") and hasattr(bind, "session")
    return ": give its session, or its engine" if has_both else ""


def session_of(bind: Session | scoped_session[Any]) -> Session:
    """The session itself, or the one that it stands for: after a `remove()`, that is another."""
    session: Session = bind() if isinstance(bind, scoped_session) else bind
    return session


def _is_async(bind: Any) -> bool:
    """Is it of SQLAlchemy's asyncio, or does it make what is?"""
    if isinstance(bind, sessionmaker):
        return not issubclass(bind.class_, Session)
    kind = bind if isinstance(bind, type) else type(bind)
    return any(base.__module__.startswith("sqlalchemy.ext.asyncio") for base in kind.__mro__)


def _unfit(bind: Any, advice: str) -> TypeError:
    return TypeError(
        "rows reads through an Engine, Connection, Session or sessionmaker of SQLAlchemy, "
        f"found {called(bind)}{advice}"
    )


def is_mysql(opened: Any, statement: Select[Any]) -> bool:
    """Is it MySQL or MariaDB that the statement is read from?

    Args:
        opened: the connection, or the session, which may have several databases.
    """
    bind = opened.get_bind(clause=statement) if isinstance(opened, Session) else opened
    return bind.dialect.name in ("mysql", "mariadb")


@contextmanager
def left_as_found(given: Any) -> Iterator[Any]:
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

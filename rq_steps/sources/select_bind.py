"""What a select is read through: an engine, or a connection or session of the user's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, TypeAlias

from sqlalchemy import Connection, Engine
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
    if isinstance(bind, Session):
        return partial(left_as_found, bind)
    if isinstance(bind, sessionmaker):
        return bind
    if by_orm and isinstance(bind, Engine | Connection):
        return partial(Session, bind)
    if isinstance(bind, Engine):
        return bind.connect
    if isinstance(bind, Connection):
        return partial(left_as_found, bind)
    raise TypeError(
        "rows reads through an Engine, Connection, Session or sessionmaker of SQLAlchemy, "
        f"found {called(bind)}{_advice(bind)}"
    )


def _advice(bind: Any) -> str:
    if isinstance(bind, type) and issubclass(bind, Session):
        return f": give {bind.__name__}(engine)"
    if type(bind).__module__.startswith("sqlalchemy.ext.asyncio"):
        return ": nothing is awaited here, give an Engine that create_engine(...) has made"
    if isinstance(getattr(bind, "session", None), scoped_session):  # Flask-SQLAlchemy's db
        return ": give its engine or its session"
    return ""


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

"""Which database transactions are open, so that no checkpoint cuts one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from rq_steps.errors import CheckpointError

IsOpen: TypeAlias = Callable[[], bool]


class Transactions:
    """The transactions opened since the execution began, on the connections known here.

    Django's are known where Django is loaded; others are given to `step.guard`.
    """

    def __init__(self) -> None:
        self._guarded: list[tuple[str, IsOpen]] = []
        self._depth_before = {id(each): _depth(each) for each in _in_atomic_block()}

    def guard(self, connection: Any) -> None:
        """Watch this connection or session, too.

        Raises:
            TypeError: it does not tell whether it is in a transaction.
        """
        self._guarded.append((type(connection).__name__, _known(connection)))

    @property
    def watched(self) -> bool:
        """Is there anything to look at? Where not, checkpoints cost nothing."""
        return bool(self._guarded) or _django_db() is not None

    def check(self) -> None:
        """Refuse a checkpoint inside a transaction.

        Raises:
            CheckpointError: naming the connection.
        """
        for name, is_open in self._guarded:
            if is_open():
                raise _refusal(name)
        for connection in _in_atomic_block():
            if _depth(connection) > self._depth_before.get(id(connection), 0):
                raise _refusal(f"Django's '{connection.alias}'")


def _refusal(name: str) -> CheckpointError:
    return CheckpointError(
        f"checkpoint inside an open transaction of {name}: "
        "commit it, or leave its block, before the step goes on to the next item"
    )


def _django_db() -> Any:
    """Django's databases, where they have been set up: somebody may only have imported Django."""
    conf = sys.modules.get("django.conf")
    return sys.modules.get("django.db") if conf is not None and conf.settings.configured else None


def _in_atomic_block() -> list[Any]:
    django_db = _django_db()
    if django_db is None:
        return []
    connections = django_db.connections.all(initialized_only=True)
    return [connection for connection in connections if connection.in_atomic_block]


def _depth(connection: Any) -> int:
    """How many atomic blocks it is in. Django's TestCase is in some before the job begins."""
    return 1 + len(getattr(connection, "savepoint_ids", ()))


def transaction_test(connection: Any) -> IsOpen | None:
    """How it tells of a transaction, if it does: SQLAlchemy's, Django's or a DB-API driver's."""
    if callable(getattr(connection, "in_transaction", None)):
        return lambda: bool(connection.in_transaction())
    for attribute in ("in_transaction", "in_atomic_block"):
        if hasattr(connection, attribute):
            return partial(_tells, connection, attribute)
    if hasattr(getattr(connection, "info", None), "transaction_status"):  # psycopg
        return lambda: not _was_closed(connection) and bool(connection.info.transaction_status)
    return None


def _of_scope(sessions: Any) -> IsOpen | None:
    """That of a `scoped_session`, which stands for another session in each scope."""
    registry = getattr(sessions, "registry", None)
    if not callable(registry) or not callable(getattr(registry, "has", None)):
        return None
    return partial(_session_tells, registry)


def _session_tells(registry: Any) -> bool:
    try:
        return registry.has() and bool(registry().in_transaction())
    except RuntimeError:  # Flask-SQLAlchemy has no scope outside of an app context
        return False


def _tells(connection: Any, attribute: str) -> bool:
    try:
        return bool(getattr(connection, attribute))
    # It has been closed: sqlite3 says so, and one of SQLAlchemy's pool has given it back.
    except (AttributeError, getattr(connection, "ProgrammingError", AttributeError)):
        return False


def _was_closed(connection: Any) -> bool:
    """What was lost with a broken connection, whose `closed` is 2 in psycopg2, is not known to be
    committed."""
    return getattr(connection, "closed", 0) == 1 and not getattr(connection, "broken", False)


def _known(connection: Any) -> IsOpen:
    known = _of_scope(connection) or transaction_test(connection)
    if known is None:
        raise TypeError(
            "step.guard takes a session or connection that tells of its transactions, "
            f"found {connection!r}"
        )
    return known

"""The database of the example: SQLite, or whatever `DATABASE_URL` names."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from sqlalchemy import Engine, create_engine, event

from .models import Base


def engine() -> Engine:
    """The engine of this process, for `DATABASE_URL` (default: `imports.db` in this folder)."""
    # RQ forks a work-horse for every job, and a connection must not be used on both sides of a
    # fork: so each process has an engine of its own.
    return _engine(os.environ.get("DATABASE_URL", "sqlite:///imports.db"), os.getpid())


def create_tables() -> None:
    """Create the tables that are not there yet."""
    Base.metadata.create_all(engine())


@cache
def _engine(url: str, pid: int) -> Engine:
    made = create_engine(url)
    if made.dialect.name == "sqlite":
        event.listen(made, "connect", _commit_without_waiting_for_the_disk)
    return made


def _commit_without_waiting_for_the_disk(connection: Any, _record: object) -> None:
    # A transaction a row would wait for the disk a row. With the log (WAL) a killed process still
    # loses nothing that was committed; only a power cut can.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")

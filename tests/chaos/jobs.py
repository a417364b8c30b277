"""The jobs that the gremlin is let loose on: imports of rows into one database."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from rq_steps import Interrupt, Step, continuable, step
from tests.chaos.journal import BEGIN, DONE, END, LEFT, START, Journal

SAVE_EVERY = 0.3
DATABASE = "rows.db"
PATIENCE = 60.0
"""Seconds to wait for the database: a writer may be frozen while it holds the lock."""


class Order(NamedTuple):
    """An import: what is enqueued, and what has to come of it."""

    kind: str
    name: str
    rows: int
    pace: float
    """Seconds that an item takes, beside its writing."""

    @property
    def function(self) -> str:
        return f"{__name__}.{self.kind}"

    @property
    def save_every(self) -> float:
        return 0.0 if self.kind == "import_saving_each" else SAVE_EVERY

    @property
    def steps(self) -> dict[str, int]:
        """The items of each step, in order."""
        return {"prepare": 1, "load": self.rows, "number": self.rows, "count": 1}


KINDS = ("import_by_index", "import_from_stream", "import_saving_each")


def create_table(folder: Path) -> None:
    with _connected(folder) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(
            "CREATE TABLE rows (job TEXT, step TEXT, item INTEGER, writes INTEGER, "
            "PRIMARY KEY (job, step, item)) WITHOUT ROWID"
        )


def written(folder: Path) -> dict[tuple[str, str, int], int]:
    """How often each row was written, by job, step and item."""
    with _connected(folder) as connection:
        rows = connection.execute("SELECT job, step, item, writes FROM rows")
        return {(job, step, item): writes for job, step, item, writes in rows}


@continuable(save_every=SAVE_EVERY, error_wait=0.5)
def import_by_index(folder: str, name: str, rows: int, pace: float) -> int:
    with _working(folder, name, pace) as work:
        total = prepare(work, rows)
        load_range(work, total)
        number(work, total)
        return count(work)


@continuable(save_every=SAVE_EVERY, max_runtime=2.0, error_wait=0.5)
def import_from_stream(folder: str, name: str, rows: int, pace: float) -> int:
    with _working(folder, name, pace) as work:
        total = prepare(work, rows)
        load_stream(work, total)
        number(work, total)
        return count(work)


@continuable(save_every=0, error_wait=0.5)
def import_saving_each(folder: str, name: str, rows: int, pace: float) -> int:
    with _working(folder, name, pace) as work:
        total = prepare(work, rows)
        load_range(work, total)
        number_alone(work, total)
        return count(work)


class _Work:
    """What an execution writes: rows and its journal."""

    def __init__(self, connection: sqlite3.Connection, journal: Journal, name: str, pace: float):
        self._connection = connection
        self._pace = pace
        self._pause = threading.Event()
        self.journal = journal
        self.name = name

    def do(self, step: str, item: int) -> None:
        self.journal.note(BEGIN, step, item)
        self._connection.execute(
            "INSERT INTO rows VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET writes = writes + 1",
            (self.name, step, item),
        )
        self._pause.wait(self._pace)
        self.journal.note(DONE, step, item)

    def rows(self, step: str) -> int:
        query = "SELECT count(*) FROM rows WHERE job = ? AND step = ?"
        [found] = self._connection.execute(query, (self.name, step)).fetchone()
        return int(found)


@contextmanager
def _working(folder: str, name: str, pace: float) -> Iterator[_Work]:
    with closing(Journal(Path(folder), name)) as journal, _connected(Path(folder)) as connection:
        journal.note(START, item=os.getppid())
        try:
            yield _Work(connection, journal, name, pace)
        except Interrupt:
            journal.note(LEFT)
            raise
        journal.note(END)


@contextmanager
def _connected(folder: Path) -> Iterator[sqlite3.Connection]:
    # Without isolation_level each statement is a transaction of its own.
    with closing(
        sqlite3.connect(folder / DATABASE, timeout=PATIENCE, isolation_level=None)
    ) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        yield connection


@step
def prepare(work: _Work, rows: int) -> int:
    work.do("prepare", 0)
    return rows


@step(name="load")
def load_range(step: Step, work: _Work, rows: int) -> None:
    for item in step.each(range(rows)):
        work.do("load", item)


@step(name="load")
def load_stream(step: Step, work: _Work, rows: int) -> None:
    for item in step.each(item for item in range(rows)):
        work.do("load", item)


@step(start=0)
def number(step: Step, work: _Work, rows: int) -> None:
    _number(step, work, rows)


@step(name="number", start=0, isolated=True)
def number_alone(step: Step, work: _Work, rows: int) -> None:
    _number(step, work, rows)


def _number(step: Step, work: _Work, rows: int) -> None:
    for item in range(step.cursor, rows):
        work.do("number", item)
        step.advance(from_=item)


@step
def count(work: _Work) -> int:
    work.do("count", 0)
    return work.rows("load") + work.rows("number")

"""`rows`, over tables of real databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, Select, delete, insert, select
from sqlalchemy.orm import Session, sessionmaker

from rq_steps import CheckpointError, Step, step
from rq_steps.sources import rows
from tests.databases.books import KEYS, Book, fill, key_of, ordered
from tests.databases.server import DatabaseServer
from tests.unit.law import assert_law
from tests.unit.memory import Job

COLUMNS = select(Book.id, Book.shelf, Book.name)


@pytest.fixture(autouse=True)
def _books(engine: Engine) -> None:
    fill(engine)


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session


@pytest.mark.parametrize("names", KEYS)
@pytest.mark.parametrize("statement", [COLUMNS, select(Book.name)], ids=["columns", "without key"])
def test_the_law_of_columns(names: list[str], statement: Select[Any], engine: Engine) -> None:
    source = rows(COLUMNS, engine, key=key_of(names), page=9)
    assert [row.id for row in source] == ordered(engine, names)
    assert_law(lambda: rows(statement, engine, key=key_of(names), page=9))


@pytest.mark.parametrize("names", KEYS)
def test_the_law_of_objects(names: list[str], session: Session, engine: Engine) -> None:
    source = rows(select(Book), session, key=key_of(names), page=9)
    assert [book.id for book in source] == ordered(engine, names)
    assert_law(lambda: source)


def test_the_law_of_objects_with_a_condition_and_columns_beside_them(session: Session) -> None:
    statement = select(Book, Book.name).where(Book.name.like("%b%"), Book.shelf != 0)
    assert_law(lambda: rows(statement, session, key=key_of(["-shelf", "id"]), page=3))


def test_a_count_is_that_of_the_rows(engine: Engine) -> None:
    assert rows(COLUMNS.where(Book.id > 9), engine, count=True).total == 30


def test_rows_may_come_and_go_between_two_pages(engine: Engine) -> None:
    """The seventh of a page's nine is gone when its turn comes, and handed out as it was read."""
    found = []
    for row in rows(COLUMNS, engine, key=key_of(["-id"]), page=9):
        found.append(row.id)
        if row.id == 33:
            with engine.begin() as connection:
                connection.execute(delete(Book).where(Book.id.between(20, 33)))
                connection.execute(insert(Book).values(id=-1, shelf=0, name="new"))
                connection.execute(insert(Book).values(id=99, shelf=0, name="new"))
    assert found == [*range(39, 30, -1), *range(19, -2, -1)]


def test_the_row_of_the_cursor_may_be_gone(engine: Engine) -> None:
    source = rows(COLUMNS, engine, key=key_of(["-shelf", "id"]), page=9)
    pairs = list(source.open(None))
    with engine.begin() as connection:
        connection.execute(delete(Book).where(Book.id == pairs[20][0].id))
    assert list(source.open(pairs[20][1])) == pairs[21:]


@pytest.mark.parametrize("bind", ["engine", "connection", "session", "sessionmaker"])
@pytest.mark.parametrize("what", [Book, Book.id])
def test_no_transaction_is_open_between_two_pages(
    bind: str, what: Any, engine: Engine, session: Session, database: DatabaseServer, job: Job
) -> None:
    with engine.connect() as connection:
        binds: dict[str, Any] = {
            "engine": engine,
            "connection": connection,
            "session": session,
            "sessionmaker": sessionmaker(engine),
        }
        opened = []

        @step
        def visit(step: Step) -> None:
            step.guard(session)
            for _ in step.each(rows(select(what), binds[bind], page=15)):
                opened.append(database.transactions())

        assert job.execute(visit).error is None
        assert opened == [0] * 40
        connection.execute(select(Book.id))
        assert database.transactions() == 1


def test_what_the_body_leaves_open_is_refused(session: Session, job: Job) -> None:
    @step
    def visit(step: Step) -> None:
        step.guard(session)
        for book in step.each(rows(select(Book), session)):
            book.name = "done"
            session.flush()

    assert isinstance(job.execute(visit).error, CheckpointError)


@pytest.mark.parametrize("expires", [True, False])
def test_objects_of_a_session_are_changed_and_committed_one_by_one(
    expires: bool, engine: Engine, job: Job
) -> None:
    done = []

    @step
    def rename(step: Step) -> None:
        with Session(engine, expire_on_commit=expires) as session:
            step.guard(session)
            source = rows(select(Book), session, key=[Book.shelf.desc(), Book.id], page=9)
            for book in step.each(source):
                book.name = "done"
                session.commit()
                done.append((-book.shelf, book.id))
                session.commit()
                if len(done) % 13 == 0:
                    job.call()

    job.execute_until_done(rename)
    assert done == sorted(done)
    assert len(done) == 40
    with Session(engine) as session:
        assert set(session.scalars(select(Book.name))) == {"done"}

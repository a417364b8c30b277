"""Sources over tables of a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, create_engine, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from rq_steps import CheckpointError, InvalidStepError, Step, step
from rq_steps.sources import query, rows
from tests.unit.memory import Job
from tests.unit.test_sources_law import assert_law

KEYS = [["id"], ["-id"], ["shelf", "id"], ["-shelf", "id"], ["shelf", "-id"], ["-name", "-id"]]


class Base(DeclarativeBase):
    pass


class Book(Base):
    __tablename__ = "books"

    id: Mapped[int] = mapped_column(primary_key=True)
    shelf: Mapped[int]
    name: Mapped[str]


@pytest.fixture
def engine(postgres: str) -> Iterator[Engine]:
    """Of forty books on seven shelves."""
    engine = create_engine("postgresql+psycopg://", creator=partial(connect, postgres))
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(
            Book(id=number, shelf=number % 7, name="aäBb"[number % 4]) for number in range(40)
        )
        session.commit()
    yield engine
    engine.dispose()


@pytest.fixture
def connection(postgres: str, engine: Engine) -> Iterator[Any]:
    with closing(connect(postgres)) as connection:
        yield connection


@pytest.fixture(params=["native", "generator"])
def job(request: pytest.FixtureRequest) -> Job:
    return Job(native=request.param == "native", pickling=False)


def connect(address: str, **options: Any) -> Any:
    return import_module("psycopg").connect(address, **options)


def key_of(names: list[str]) -> list[Any]:
    return [
        getattr(Book, name[1:]).desc() if name.startswith("-") else getattr(Book, name)
        for name in names
    ]


@pytest.mark.parametrize("names", KEYS)
def test_the_law_of_a_select(names: list[str], engine: Engine) -> None:
    statement = select(Book.id, Book.shelf, Book.name)
    source = rows(statement, engine, key=key_of(names), page=9)
    assert [row.id for row in source] == ordered(engine, names)
    assert_law(lambda: source)


@pytest.mark.parametrize("names", KEYS)
@pytest.mark.parametrize("factory", ["tuple_row", "dict_row", "namedtuple_row"])
def test_the_law_of_a_query(
    names: list[str], factory: str, engine: Engine, connection: Any
) -> None:
    connection.row_factory = getattr(import_module("psycopg.rows"), factory)
    source = query("SELECT * FROM books", connection, key=names, page=9)
    found = [row["id"] if factory == "dict_row" else row[0] for row in source]
    assert found == ordered(engine, names)
    assert_law(lambda: source)


def ordered(engine: Engine, names: list[str]) -> list[int]:
    with engine.connect() as connection:
        return list(connection.scalars(select(Book.id).order_by(*key_of(names))))


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        ("SELECT * FROM books WHERE name LIKE 'a%' OR id >= 0", None),
        ("SELECT * FROM books WHERE name LIKE 'a%%' OR id >= %s -- all", (0,)),
        ("SELECT * FROM books WHERE name LIKE 'a%%' OR id >= %(least)s;", {"least": 0}),
    ],
)
def test_a_query_has_placeholders_and_percent_signs(sql: str, params: Any, connection: Any) -> None:
    source = query(sql, connection, params, key=["-shelf", "id"], page=9, count=True)
    assert source.total == 40
    assert len(list(source)) == 40
    assert_law(lambda: source)


VALUES: dict[str, list[Any]] = {
    "bigint": [-(2**62), 0, 2**62],
    "boolean": [False, True],
    "text": ["", "'; --", "%s", "A", "a", "ä", "😀"],
    "bytea": [b"", b"\x00", b"\xff\x00"],
    "date": [date(1, 1, 1), date(2024, 2, 29)],
    "timestamp": [datetime.fromisoformat("2024-02-29T00:00:00.000001")],
    "timestamptz": [datetime(2024, 10, 27, hour, tzinfo=timezone.utc) for hour in range(4)],
    "interval": [timedelta(microseconds=1), timedelta(days=9)],
    "numeric": [Decimal("-1.1"), Decimal("0.1"), Decimal("0.1000000000000000000001")],
    "uuid": [UUID(int=0), UUID(int=2**127 + 1)],
}


@pytest.mark.parametrize("kind", sorted(VALUES))
def test_a_value_of_a_key_survives_the_record(kind: str, connection: Any) -> None:
    """In a zone with an hour that comes twice, too."""
    connection.execute("SET TIME ZONE 'Europe/Berlin'")
    connection.execute(f"CREATE TABLE kept (key {kind} PRIMARY KEY)")
    for value in VALUES[kind]:
        connection.execute("INSERT INTO kept VALUES (%s)", [value])
    connection.commit()
    source = query("SELECT * FROM kept", connection, key="key", page=1)
    assert sorted(in_utc(row[0]) for row in source) == sorted(VALUES[kind])
    assert_law(lambda: source, plain=False)


def in_utc(value: Any) -> Any:
    """Python compares no moment of an hour that comes twice with one of another zone."""
    is_aware = isinstance(value, datetime) and value.tzinfo is not None
    return value.astimezone(timezone.utc) if is_aware else value


def test_a_null_which_is_the_last_here_is_an_error_and_not_a_skip(connection: Any) -> None:
    sql = "SELECT id, nullif(id, 20) AS place FROM books"
    with pytest.raises(InvalidStepError, match="place is NULL in some row"):
        next(query(sql, connection, key=["place", "id"], page=9).open(None))


def test_a_float_is_refused(connection: Any) -> None:
    with pytest.raises(InvalidStepError, match=r"place cannot be of the key, since 0\.0"):
        list(query("SELECT id / 3.0::float8 AS place FROM books", connection, key="place"))


def test_a_connection_is_idle_between_pages_and_in_no_transaction(
    connection: Any, engine: Engine, job: Job
) -> None:
    states = []

    @step
    def visit(step: Step) -> None:
        step.guard(connection)
        for row in step.each(query("SELECT * FROM books", connection, key="id", page=15)):
            states.append(state_of(connection, engine))
            if row[0] % 3 == 0:
                connection.execute("UPDATE books SET name = 'done' WHERE id = %s", [row[0]])
                connection.commit()

    assert job.execute(visit).error is None
    assert states == ["idle"] * 40


def state_of(connection: Any, engine: Engine) -> Any:
    statement = text("SELECT state FROM pg_stat_activity WHERE pid = :pid")
    with engine.connect() as other:
        return other.execute(statement, {"pid": connection.info.backend_pid}).scalar()


def test_what_the_body_leaves_open_is_refused(connection: Any, job: Job) -> None:
    @step
    def visit(step: Step) -> None:
        step.guard(connection)
        for row in step.each(query("SELECT * FROM books", connection, key="id", page=15)):
            connection.execute("UPDATE books SET name = 'done' WHERE id = %s", [row[0]])

    assert isinstance(job.execute(visit).error, CheckpointError)


def test_connections_may_be_made_for_each_page(postgres: str, engine: Engine) -> None:
    source = query("SELECT * FROM books", partial(connect, postgres), key="id", page=15)
    assert len(list(source)) == 40
    with closing(connect(postgres, autocommit=True)) as connection:
        assert len(list(query("SELECT * FROM books", connection, key="id", page=15))) == 40


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


@pytest.mark.parametrize("names", [["shelf", "id"], ["-shelf", "-id"]])
def test_a_page_is_read_by_an_index(names: list[str], engine: Engine, connection: Any) -> None:
    connection.execute("CREATE INDEX places ON books (shelf, id)")
    connection.execute(
        "INSERT INTO books SELECT n, n % 1000, 'b' FROM generate_series(100, 50000) n"
    )
    connection.execute("ANALYZE books")
    connection.commit()
    asked = []

    class Noting(import_module("psycopg").Cursor):  # type: ignore[misc]  # its class is Any here
        def execute(self, sql: str, *given: Any, **options: Any) -> Any:
            asked.append((sql, given))
            return super().execute(sql, *given, **options)

    connection.cursor_factory = Noting
    pages = query("SELECT * FROM books", connection, key=names, page=100).open([500, 25_500])
    assert next(pages)[0][0] in (26_500, 24_500)
    sql, given = asked[-1]
    plan = connection.execute(f"EXPLAIN {sql}", *given).fetchall()
    assert "Index Scan" in str(plan)
    assert "Seq Scan" not in str(plan)
    assert "Index Cond: (shelf " in str(plan)

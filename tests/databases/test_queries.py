"""`query`, over the drivers of real databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine

from rq_steps import CheckpointError, InvalidStepError, Step, step
from rq_steps.sources import query
from tests.databases.books import KEYS, fill, ordered
from tests.databases.server import DatabaseServer
from tests.unit.law import assert_law
from tests.unit.memory import Job

ALL = "SELECT * FROM books"

ONLY_POSTGRES = pytest.mark.parametrize("database_server", ["postgres"], indirect=True)
ONLY_MARIADB = pytest.mark.parametrize("database_server", ["mariadb"], indirect=True)


@pytest.fixture(autouse=True)
def _books(engine: Engine) -> None:
    fill(engine)


@pytest.fixture
def connection(database: DatabaseServer) -> Iterator[Any]:
    """That commits by itself: where it does not, PyMySQL's does not tell of its transaction."""
    with closing(database.connect(autocommit=True)) as connection:
        yield connection


def ask(connection: Any, sql: str, *given: Any) -> Any:
    with closing(connection.cursor()) as cursor:
        cursor.execute(sql, *given)
        return cursor.fetchall() if cursor.description else None


@pytest.mark.parametrize("names", KEYS)
@pytest.mark.parametrize("kind", ["tuple", "dict", "unbuffered"])
def test_the_law_of_a_query(
    names: list[str], kind: str, engine: Engine, database: DatabaseServer
) -> None:
    with closing(database.connect(autocommit=True, **ROWS[database.name, kind]())) as connection:
        source = query(ALL, connection, key=names, page=9)
        found = [row["id"] if kind == "dict" else row[0] for row in source]
        assert found == ordered(engine, names)
        assert_law(lambda: source)


ROWS: dict[tuple[str, str], Any] = {
    ("postgres", "tuple"): dict,
    ("postgres", "dict"): lambda: {"row_factory": import_module("psycopg.rows").dict_row},
    ("postgres", "unbuffered"): lambda: {
        "row_factory": import_module("psycopg.rows").namedtuple_row
    },
    ("mariadb", "tuple"): dict,
    ("mariadb", "dict"): lambda: {"cursorclass": import_module("pymysql.cursors").DictCursor},
    ("mariadb", "unbuffered"): lambda: {"cursorclass": import_module("pymysql.cursors").SSCursor},
}


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        ("SELECT * FROM books WHERE name LIKE 'a%' OR id >= 0", None),
        ("SELECT * FROM books WHERE name LIKE 'a%' OR id % 2 IN (0, 1)", ()),
        ("SELECT * FROM books WHERE name LIKE 'a%%' OR id >= %s -- all", (0,)),
        ("SELECT * FROM books WHERE name LIKE 'a%%' OR id >= %(least)s;", {"least": 0}),
        ("SELECT min(name) AS name, shelf, id FROM books GROUP BY shelf, id", None),
        ("WITH them AS (SELECT * FROM books) SELECT * FROM them", None),
        ("SELECT * FROM books WHERE id < 9 UNION ALL SELECT * FROM books WHERE id >= 9", None),
        ("SELECT id, shelf AS shelf, 'it''s 100%' AS text FROM books", None),
    ],
)
def test_a_query_has_placeholders_and_percent_signs(sql: str, params: Any, connection: Any) -> None:
    source = query(sql, connection, params, key=["-shelf", "id"], page=9, count=True)
    assert source.total == 40
    assert len(list(source)) == 40
    assert_law(lambda: source)


def test_a_column_of_the_key_may_have_the_name_of_a_keyword(connection: Any) -> None:
    quoted = '"order"' if "psycopg" in type(connection).__module__ else "`order`"
    sql = f"SELECT shelf AS {quoted}, id FROM books"
    assert_law(lambda: query(sql, connection, key=["-order", "id"], page=9))


def test_a_null_is_an_error_and_not_a_skip(connection: Any) -> None:
    """Last for the one database, first for the other."""
    sql = "SELECT id, nullif(id, 20) AS place FROM books"
    for key in (["place", "id"], ["-place", "id"]):
        with pytest.raises(InvalidStepError, match="place is NULL in some row"):
            next(query(sql, connection, key=key, page=9).open(None))


def test_a_key_of_two_rows_is_refused(connection: Any) -> None:
    given: list[int] = []
    with pytest.raises(InvalidStepError, match=r"^query: two rows have the key \[-3\], and one of"):
        given.extend(row[0] for row, _ in query(ALL, connection, key="shelf", page=3).open(None))
    assert not given


def test_a_float_is_refused(connection: Any) -> None:
    with pytest.raises(InvalidStepError, match=r"place cannot be of the key, since 0\.0"):
        list(query("SELECT cast(id AS float) AS place FROM books", connection, key="place"))


def test_rows_may_come_and_go_between_two_pages(connection: Any) -> None:
    found = []
    for row in query(ALL, connection, key=["-id"], page=9):
        found.append(row[0])
        if row[0] == 33:
            ask(connection, "DELETE FROM books WHERE id BETWEEN 20 AND 33")
            ask(connection, "INSERT INTO books VALUES (-1, 0, 'new'), (99, 0, 'new')")
    assert found == [*range(39, 30, -1), *range(19, -2, -1)]


def test_connections_are_made_for_each_page_and_leave_no_transaction_open(
    database: DatabaseServer,
) -> None:
    opened = [database.transactions() for _ in query(ALL, database.connect, key="id", page=15)]
    assert opened == [0] * 40


@pytest.fixture
def transacting(database: DatabaseServer) -> Iterator[Any]:
    """A connection that begins a transaction by itself."""
    with closing(database.connect()) as connection:
        yield connection


@ONLY_POSTGRES
def test_a_connection_is_left_out_of_a_transaction(
    transacting: Any, database: DatabaseServer, job: Job
) -> None:
    opened = []

    @step
    def visit(step: Step) -> None:
        step.guard(transacting)
        for row in step.each(query(ALL, transacting, key="id", page=15)):
            opened.append(database.transactions())
            if row[0] % 3 == 0:
                ask(transacting, "UPDATE books SET name = 'done' WHERE id = %s", [row[0]])
                transacting.commit()

    assert job.execute(visit).error is None
    assert opened == [0] * 40
    ask(transacting, ALL)
    assert database.transactions() == 1


@ONLY_POSTGRES
def test_what_the_body_leaves_open_is_refused(transacting: Any, job: Job) -> None:
    @step
    def visit(step: Step) -> None:
        step.guard(transacting)
        for row in step.each(query(ALL, transacting, key="id", page=15)):
            ask(transacting, "UPDATE books SET name = 'done' WHERE id = %s", [row[0]])

    assert isinstance(job.execute(visit).error, CheckpointError)


@ONLY_POSTGRES
def test_a_transaction_of_the_users_is_left_open(transacting: Any) -> None:
    ask(transacting, "DELETE FROM books WHERE id < 5")
    assert len(list(query(ALL, transacting, key="id", page=15))) == 35
    transacting.rollback()
    assert len(list(query(ALL, transacting, key="id", page=15))) == 40


@ONLY_MARIADB
def test_a_connection_that_does_not_tell_of_its_transaction_is_refused(
    transacting: Any, database: DatabaseServer
) -> None:
    with pytest.raises(
        TypeError, match="a Connection does not tell whether it is in a transaction"
    ):
        query(ALL, transacting, key="id")
    transacting.autocommit(True)
    assert len(list(query(ALL, transacting, key="id", page=15))) == 40
    assert database.transactions() == 0


# For the rows on the same shelf, and for those on the following ones.
PLANS = {
    "postgres": ("Index Cond: ((shelf = '500'::smallint) AND (id ", "Index Cond: (shelf "),
    "mariadb": ("'range', 'PRIMARY,places', 'places', '8'", "'range', 'places', 'places', '4'"),
}


@pytest.mark.parametrize("names", [["shelf", "id"], ["-shelf", "-id"]])
def test_a_page_is_read_by_an_index(
    names: list[str], connection: Any, database: DatabaseServer
) -> None:
    ask(connection, "CREATE INDEX places ON books (shelf, id)")
    with closing(connection.cursor()) as cursor:
        many = [(number, number % 1000, "b") for number in range(100, 50_001)]
        cursor.executemany("INSERT INTO books (id, shelf, name) VALUES (%s, %s, %s)", many)
    connection.commit()
    ask(connection, f"ANALYZE {'TABLE ' if database.name == 'mariadb' else ''}books")
    connection.commit()
    asked: list[Any] = []
    pages = query(ALL, Noting(connection, asked), key=names, page=100, paramstyle="format")
    assert next(pages.open([500, 25_500]))[0][0] in (26_500, 24_500)
    for (sql, *given), expected in zip(asked[-2:], PLANS[database.name], strict=True):
        plan = str(ask(connection, f"EXPLAIN {sql}", *given))
        assert expected in plan
        assert "Seq Scan" not in plan
        assert "filesort" not in plan


class Noting:
    """A connection, and a list of what it is asked."""

    autocommit = True

    def __init__(self, connection: Any, asked: list[Any]) -> None:
        self._connection = connection
        self._asked = asked

    def cursor(self) -> Any:
        cursor = self._connection.cursor()

        def execute(*given: Any) -> None:
            self._asked.append(given)
            cursor.execute(*given)
            noted.description = cursor.description

        noted = SimpleNamespace(execute=execute, fetchall=cursor.fetchall, close=cursor.close)
        return noted

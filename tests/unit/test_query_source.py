"""`query`: SQL over a connection of any DB-API driver."""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from types import MethodType, ModuleType, SimpleNamespace
from typing import Any, get_args

import pytest
from sqlalchemy import column, create_engine, select, text
from sqlalchemy.orm import sessionmaker

from rq_steps import CheckpointError, InvalidStepError, Step, step
from rq_steps.sources import query, source_of
from rq_steps.sources.query_connection import Paramstyle
from tests.unit.law import assert_law
from tests.unit.memory import Job

ALL = "SELECT * FROM users"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a database with ten users in three cities."""
    path = tmp_path / "users.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE users (id INTEGER, name TEXT COLLATE NOCASE, city TEXT)")
        for number in range(10):
            user = (number, f"n{number}", f"c{number % 3}")
            connection.execute("INSERT INTO users VALUES (?, ?, ?)", user)
    return path


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as connection:
        yield connection


@pytest.fixture(params=["native", "generator"])
def job(request: pytest.FixtureRequest) -> Job:
    return Job(native=request.param == "native", pickling=False)


# The query


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        (ALL, None),
        (ALL, ()),
        (ALL, {}),
        ("SELECT * FROM users WHERE id >= ?", (0,)),
        ("SELECT * FROM users WHERE id >= ? AND city LIKE ? ;\n", [0, "c%"]),
        ("SELECT * FROM users WHERE id >= :least", {"least": 0}),
        ("SELECT u.*, 'a?{b}%s' AS text FROM users u -- all of them", None),
        ("SELECT * FROM users UNION SELECT * FROM users WHERE id = 3", None),
        ("SELECT city, min(name) AS name, max(id) AS id FROM users GROUP BY city, id", None),
        ("WITH them AS (SELECT * FROM users) SELECT * FROM them", None),
    ],
)
@pytest.mark.parametrize("key", ["id", ["-city", "id"], ["city", "-name"]])
def test_any_query_is_read_in_pages(sql: str, params: Any, key: Any, connection: Any) -> None:
    source = query(sql, connection, params, key=key, page=3)
    assert len(list(source)) == 10
    assert_law(lambda: query(sql, connection, params, key=key, page=3))


def test_the_names_of_columns_are_those_of_the_query_whatever_their_case(connection: Any) -> None:
    source = query("SELECT id AS Number FROM users", connection, key="NUMBER", page=3)
    assert list(source) == [(number,) for number in range(10)]


def test_rows_are_what_the_driver_gives(connection: Any) -> None:
    connection.row_factory = sqlite3.Row
    first = next(iter(query(ALL, connection, key="id")))
    assert isinstance(first, sqlite3.Row)
    assert first.keys() == ["id", "name", "city"]


def test_a_count_is_made_when_it_is_asked_for(connection: Any) -> None:
    sql = "SELECT * FROM users WHERE id > ?"
    assert query(sql, connection, (3,), key="id").total is None
    assert query(sql, connection, (3,), key="id", count=True).total == 6
    connection.row_factory = lambda cursor, row: {cursor.description[0][0]: row[0]}
    assert query(sql, connection, (3,), key="id", count=True).total == 6


@pytest.mark.parametrize("key", ["", "-", "a b", "lower(name)", '"id"', "q.id", "1", "id;", "id--"])
def test_a_key_is_names_of_columns(key: str, connection: Any) -> None:
    with pytest.raises(ValueError, match=r"^key takes names of columns, found .* name it with AS$"):
        query(ALL, connection, key=key)


@pytest.mark.parametrize(("key", "advice"), [("id DESC", 'give "-id"'), ("id asc", 'give "id"')])
def test_a_key_with_a_direction_in_words_is_told_how_it_is_written(
    key: str, advice: str, connection: Any
) -> None:
    with pytest.raises(ValueError, match=f"^key takes names of columns, found '{key}': {advice}$"):
        query(ALL, connection, key=[key])


@pytest.mark.parametrize("key", [[], ["id", "id"], ["id", "-id"]])
def test_a_key_has_each_column_once(key: list[str], connection: Any) -> None:
    with pytest.raises(ValueError, match=r"^key must be one or more columns, each of them once"):
        query(ALL, connection, key=key)


@pytest.mark.parametrize(
    ("key", "found"),
    [
        (None, "found None"),
        (1, "found int"),
        ([None], "found None in it"),
        (["id", 1], "found int in it"),
        ({"id", "name"}, "found set"),
        (b"id", "found bytes"),
        (column("id"), "found ColumnClause"),
    ],
)
def test_a_key_is_text(key: Any, found: str, connection: Any) -> None:
    with pytest.raises(TypeError) as refusal:
        query(ALL, connection, key=key)
    assert str(refusal.value) == f"key takes names, as text or a list of it, {found}"


def test_a_key_that_is_not_among_the_columns_of_the_query_is_an_error(connection: Any) -> None:
    source = query("SELECT name, city FROM users", connection, key=["city", "id"])
    with pytest.raises(InvalidStepError) as refusal:
        list(source)
    assert str(refusal.value) == (
        "query: found the columns name, city, expected one id among them, for the key: "
        "select it, too"
    )


@pytest.mark.parametrize("row", [object(), 5, "5", b"5"])
def test_rows_that_do_not_tell_their_key_are_refused(row: object, connection: Any) -> None:
    connection.row_factory = lambda *_: row
    found = f"its rows are of type {type(row).__name__}, and do not tell"
    with pytest.raises(InvalidStepError, match=found):
        list(query("SELECT id FROM users WHERE id = 1", connection, key="id"))


@pytest.mark.parametrize(
    ("params", "found"), [(5, "int"), ("5", "str"), (b"5", "bytes"), ({5}, "set")]
)
def test_parameters_are_a_sequence_or_a_mapping(params: Any, found: str, connection: Any) -> None:
    with pytest.raises(TypeError) as refusal:
        query("SELECT id FROM users WHERE id > ?", connection, params, key="id")
    assert str(refusal.value) == f"query takes params as a sequence or a mapping, found {found}"


# Keys in which rows could be skipped


@pytest.mark.parametrize("page", [1, 2, 3, 5, 10, 11])
def test_a_key_of_two_rows_is_an_error_before_either_is_handed_out(
    page: int, connection: Any
) -> None:
    connection.execute("INSERT INTO users VALUES (4, 'x', 'x')")
    connection.commit()
    given: list[int] = []
    source = query(ALL, connection, key="id", page=page)
    with pytest.raises(InvalidStepError, match=r"^query: two rows have the key \[4\], and one of"):
        given.extend(row[0] for row, _ in source.open(None))
    assert 4 not in given


def test_a_key_that_is_two_rows_by_the_time_of_the_resume_is_an_error(connection: Any) -> None:
    connection.execute("INSERT INTO users VALUES (4, 'x', 'x')")
    with pytest.raises(InvalidStepError, match=r"^query: two rows have the key \[4\]"):
        list(query(ALL, connection, key="id").open([4]))


@pytest.mark.parametrize("page", [1, 2, 3, 4, 5])
def test_what_the_database_takes_for_one_key_is_an_error_too(page: int, connection: Any) -> None:
    """Its collation ignores case: of "n3" and "N3", neither is behind the other."""
    connection.execute("INSERT INTO users VALUES (99, 'N3', 'x')")
    source = query(ALL, connection, key="name", page=page)

    def resumed_at_each() -> None:
        for _, cursor in source.open(None):
            list(source.open(cursor))

    with pytest.raises(InvalidStepError, match=r"^query: two rows have the key \['[nN]3'\]"):
        resumed_at_each()
    for first in ("n3", "N3"):
        with pytest.raises(InvalidStepError, match=r"^query: two rows have the key \['[nN]3'\]"):
            list(source.open([first]))


@pytest.mark.parametrize("key", [["name", "id"], ["-name", "id"], ["id", "name"], ["id", "-name"]])
def test_a_null_in_the_key_is_an_error_before_anything_is_handed_out(
    key: list[str], connection: Any
) -> None:
    connection.execute("INSERT INTO users VALUES (4, NULL, 'x')")
    with pytest.raises(InvalidStepError, match=r"^query: name is NULL in some row, which is "):
        next(query(ALL, connection, key=key, page=2).open(None))


def test_a_null_that_came_meanwhile_is_an_error_in_the_end(connection: Any) -> None:
    given = query(ALL, connection, key="name", page=2).open(None)
    assert [row[0] for row, _ in islice(given, 9)] == list(range(9))
    connection.execute("INSERT INTO users VALUES (99, NULL, 'x')")
    assert next(given)[0][0] == 9
    with pytest.raises(InvalidStepError, match=r"^query: name is NULL in some row"):
        next(given)


def test_a_float_in_the_key_is_refused(connection: Any) -> None:
    sql = "SELECT id / 10.0 AS weight FROM users"
    with pytest.raises(InvalidStepError) as refusal:
        list(query(sql, connection, key="weight"))
    assert str(refusal.value) == (
        "query: weight cannot be of the key, since 0.0 of type float is not exact"
    )


# Connections and transactions


def test_a_function_makes_a_connection_for_each_page_which_is_closed(path: Path) -> None:
    made: list[sqlite3.Connection] = []

    def connect() -> sqlite3.Connection:
        made.append(sqlite3.connect(path))
        return made[-1]

    for _ in query(ALL, connect, key="id", page=3):
        for connection in made:
            with pytest.raises(sqlite3.ProgrammingError, match="closed"):
                connection.execute("SELECT 1")
    assert len(made) == 6  # four pages, and what is looked at before and behind them
    assert len(list(query(ALL, partial(sqlite3.connect, path), key="id", page=3))) == 10


def test_a_connection_is_in_no_transaction_when_it_is_closed(path: Path) -> None:
    """Where it is, PgBouncer drops the server's connection, too."""
    closed: list[bool] = []

    class Connection(sqlite3.Connection):
        def cursor(self, *args: Any) -> Any:
            if not self.in_transaction:
                self.execute("BEGIN")
            return super().cursor(*args)

        def close(self) -> None:
            closed.append(self.in_transaction)
            super().close()

    connect = partial(sqlite3.connect, path, factory=Connection)
    list(query(ALL, connect, key="id", page=3, paramstyle="qmark"))
    assert closed == [False] * 6


def test_a_pool_is_given_its_connection_back_after_each_page(connection: Any) -> None:
    out = 0

    @contextmanager
    def from_pool() -> Iterator[Any]:
        nonlocal out
        out += 1
        yield connection
        out -= 1

    for _ in query(ALL, from_pool, key="id", page=3):
        assert out == 0


class Pool:
    """Of one connection, as psycopg's pools are; and as theirs it begins a transaction."""

    def __init__(self, connection: Any) -> None:
        self.free = [connection]

    def getconn(self) -> Any:
        connection = self.free.pop()
        connection.execute("BEGIN")
        return connection

    def putconn(self, connection: Any) -> None:
        assert not connection.in_transaction
        self.free.append(connection)


def test_a_connection_is_put_back_into_the_pool_that_it_is_got_from(connection: Any) -> None:
    pool = Pool(connection)
    for _ in query(ALL, pool.getconn, key="id", page=3):
        assert pool.free == [connection]
    with pytest.raises(sqlite3.OperationalError):
        list(query("SELECT nothing", pool.getconn, key="id"))
    assert pool.free == [connection]


class Lost:
    """A connection that breaks as soon as it is used."""

    def cursor(self) -> Any:
        raise ConnectionResetError("the server went away")

    def rollback(self) -> None:
        raise ValueError("the connection is closed")


def test_a_connection_that_is_lost_is_put_back_and_its_error_raised() -> None:
    given: list[Any] = []
    pool = SimpleNamespace(putconn=given.append)
    pool.getconn = MethodType(lambda _: Lost(), pool)
    with pytest.raises(ConnectionResetError, match="the server went away"):
        list(query(ALL, pool.getconn, key="id", paramstyle="qmark"))
    assert [type(each) for each in given] == [Lost]


def test_a_transaction_of_the_users_is_left_open(connection: Any, job: Job) -> None:
    connection.execute("DELETE FROM users WHERE id < 5")
    assert len(list(query(ALL, connection, key="id", page=3))) == 5
    assert connection.in_transaction
    connection.rollback()
    assert len(list(query(ALL, connection, key="id", page=3))) == 10


def test_what_the_body_leaves_open_is_refused_by_the_guard(connection: Any, job: Job) -> None:
    @step
    def visit(step: Step, commit: bool) -> None:
        step.guard(connection)
        for row in step.each(query(ALL, connection, key="id", page=3)):
            connection.execute("UPDATE users SET city = 'new' WHERE id = ?", [row[0]])
            if commit:
                connection.commit()

    assert isinstance(job.execute(lambda: visit(False)).error, CheckpointError)
    connection.rollback()
    assert job.execute(lambda: visit(True)).error is None


class Driver:
    """A driver's connection, over SQLite. It does not tell whether it is in a transaction."""

    def __init__(self, path: Path, style: str = "qmark") -> None:
        self.inner = sqlite3.connect(path)
        self.style = style
        self.halves = style in ("format", "pyformat")
        self.asked: list[tuple[str, Any]] = []

    def cursor(self) -> Any:
        return Cursor(self)

    def begin(self) -> None:
        if not self.inner.in_transaction:
            self.inner.execute("BEGIN")

    def rollback(self) -> None:
        self.inner.rollback()

    def close(self) -> None:
        self.inner.close()


class Cursor:
    """Takes placeholders in the style of its driver."""

    name: str | None = None

    def __init__(self, connection: Driver) -> None:
        self._connection = connection
        self._inner = connection.inner.cursor()
        self.fetchall = self._inner.fetchall
        self.close = self._inner.close

    @property
    def description(self) -> Any:
        return [(self.name or column[0],) for column in self._inner.description]

    def execute(self, sql: str, params: Any = None) -> None:
        connection = self._connection
        connection.begin()
        connection.asked.append((sql, params))
        if params is None:
            self._inner.execute(sql)
        else:
            sql, params = in_styles_of_sqlite(sql, params, connection.style)
            self._inner.execute(halved(sql) if connection.halves else sql, params)


def in_styles_of_sqlite(sql: str, params: Any, style: str) -> tuple[str, Any]:
    if style == "numeric":
        sql = re.sub(r":(\d+)", r"?\1", sql)
    elif style in ("format", "pyformat"):
        if isinstance(params, Mapping):
            sql = re.sub(r"%\((\w+)\)s", r":\1", sql)
        else:
            sql = re.sub("%s", "?", sql)
    return sql, params


def halved(sql: str) -> str:
    """As a driver does by its own formatting: a single one would be an error."""
    assert not re.search("(?<!%)(%%)*%(?!%)", sql)
    return sql.replace("%%", "%")


class TellsByInfo(Driver):
    """As psycopg's."""

    @property
    def info(self) -> Any:
        return SimpleNamespace(transaction_status=2 if self.inner.in_transaction else 0)


class TellsByAttribute(Driver):
    """As sqlite3's."""

    @property
    def in_transaction(self) -> bool:
        return self.inner.in_transaction


class Renaming(TellsByInfo):
    """Calls all columns by one name."""

    def cursor(self) -> Any:
        cursor = Cursor(self)
        cursor.name = "x"
        return cursor


class Autocommitting(Driver):
    """Begins nothing by itself."""

    autocommit = True

    def begin(self) -> None:
        return


STYLES: list[tuple[str, str, Any]] = [
    ("qmark", "id >= ?", (0,)),
    ("qmark", "id >= :least", {"least": 0}),
    ("numeric", "id >= :1 AND id + 1 > :1", (0,)),
    ("named", "id >= :least", {"least": 0}),
    ("format", "id >= %s AND name LIKE 'n%%'", (0,)),
    ("format", "id >= %(least)s AND name LIKE 'n%%'", {"least": 0}),
    ("pyformat", "id >= %(least)s AND name LIKE 'n%%'", {"least": 0}),
    ("pyformat", "id >= %s AND name LIKE 'n%%'", [0]),
    *((style, "name LIKE 'n%'", None) for style in get_args(Paramstyle)),
    *((style, "name LIKE 'n%'", ()) for style in get_args(Paramstyle)),
]


# Python 3.12.1 takes "?1" and "?2" for names.
@pytest.mark.filterwarnings("ignore:Binding .* is a named parameter:DeprecationWarning")
@pytest.mark.parametrize(("style", "where", "params"), STYLES)
def test_placeholders_are_in_the_style_of_the_driver(
    style: str, where: str, params: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("adriver")
    module.paramstyle = style  # type: ignore[attr-defined]  # that is what drivers have
    monkeypatch.setitem(sys.modules, "adriver", module)
    kind = type("Connection", (TellsByInfo,), {"__module__": "adriver.connections"})
    sql = f"SELECT * FROM users WHERE {where}"
    with closing(kind(path, style)) as connection:
        for key in ("id", ["-city", "name", "id"]):
            source = query(sql, connection, params, key=key, page=3)
            assert sorted(row[0] for row in source) == list(range(10))
            assert_law(lambda: query(sql, connection, params, key=key, page=3))  # noqa: B023


@pytest.mark.parametrize("makes", [False, True])
def test_a_driver_that_does_not_tell_its_style_is_refused_before_the_first_row(
    makes: bool, path: Path
) -> None:
    with closing(TellsByInfo(path)) as connection:
        given = partial(TellsByInfo, path) if makes else connection
        with pytest.raises(InvalidStepError, match=r"TellsByInfo has no paramstyle: give the driv"):
            next(query(ALL, given, key="id").open(None))


@pytest.mark.parametrize("style", ["nope", "", 5, ["qmark"]])
def test_a_style_that_does_not_exist_is_refused(style: Any, connection: Any) -> None:
    with pytest.raises(ValueError, match=r"^paramstyle is one of qmark, numeric, .*, found ") as no:
        query(ALL, connection, key="id", paramstyle=style)
    assert str(no.value).endswith(f"found {style!r}")


@pytest.mark.parametrize("cursor", [None, [4]])
def test_a_style_that_the_driver_does_not_take_is_refused_before_the_first_row(
    cursor: Any, connection: Any
) -> None:
    source = query(ALL, connection, key="id", paramstyle="format")
    with pytest.raises(InvalidStepError) as refusal:
        next(source.open(cursor))
    assert str(refusal.value) == (
        "query: found paramstyle='format', which Connection does not take: give the driver's"
    )
    assert isinstance(refusal.value.__cause__, sqlite3.OperationalError)


def test_a_query_that_fails_does_so_before_its_style_is_looked_at(connection: Any) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        list(query("SELECT * FROM nowhere", connection, key="id", paramstyle="format"))


def as_dict(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> dict[str, Any]:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}


@pytest.mark.parametrize("factory", [None, sqlite3.Row, as_dict])
def test_a_percent_sign_is_left_alone_where_the_driver_does_not_halve_it(
    factory: Any, path: Path
) -> None:
    """As MySQL's own does not: with a double one, its formats of dates would be others."""
    sql = "SELECT id, id % 3 AS rest, strftime('%Y', '2024-02-29') AS year FROM users"
    with closing(TellsByInfo(path, "pyformat")) as connection:
        connection.halves = False
        connection.inner.row_factory = factory
        source = query(sql, connection, key=["-rest", "id"], page=3, paramstyle="pyformat")
        found = [row["year"] if factory else row[2] for row in source]
        assert len([sql for sql, _ in connection.asked if "rq_steps_percent" in sql]) == 1
    assert found == ["2024"] * 10


def test_a_style_may_be_given(path: Path) -> None:
    with closing(TellsByInfo(path, "format")) as connection:
        source = query(ALL, connection, key="id", page=3, paramstyle="format")
        assert len(list(source)) == 10


@pytest.mark.parametrize("kind", [TellsByInfo, TellsByAttribute])
def test_a_connection_is_left_out_of_a_transaction(
    kind: type[Driver], path: Path, job: Job
) -> None:
    @step
    def visit(step: Step) -> int:
        step.guard(connection)
        source = query(ALL, connection, key="id", page=3, paramstyle="qmark")
        return sum(1 for _ in step.each(source))

    with closing(kind(path)) as connection:
        execution = job.execute(visit)
        assert execution.error is None
        assert execution.result == 10
        assert not connection.inner.in_transaction
        connection.begin()
        assert isinstance(Job().execute(visit).error, CheckpointError)
        assert connection.inner.in_transaction


def test_a_connection_is_left_out_of_a_transaction_by_a_query_that_fails(path: Path) -> None:
    with closing(TellsByInfo(path)) as connection:
        with pytest.raises(sqlite3.OperationalError):
            list(query("SELECT * FROM nothing", connection, key="id", paramstyle="qmark"))
        assert not connection.inner.in_transaction


def test_a_column_of_the_key_is_one_column_of_the_query(path: Path) -> None:
    with closing(Renaming(path)) as connection:
        source = query(ALL, connection, key="id", paramstyle="qmark")
        with pytest.raises(InvalidStepError, match=r"the columns x, x, x, expected one id among "):
            list(source)


def test_a_connection_that_does_not_tell_of_its_transaction_is_refused(path: Path) -> None:
    with closing(Driver(path)) as connection:
        with pytest.raises(TypeError) as refusal:
            query(ALL, connection, key="id")
        assert str(refusal.value) == (
            "query: a Driver does not tell whether it is in a transaction, and one could "
            "stay open: give a function that makes a connection"
        )
    assert len(list(query(ALL, partial(Driver, path), key="id", page=3, paramstyle="qmark"))) == 10


class AutocommittingByMethod(Driver):
    """As PyMySQL's and mysqlclient's, with a method that sets it."""

    def autocommit(self, value: bool) -> None:
        raise AssertionError

    def get_autocommit(self) -> bool:
        return True

    def begin(self) -> None:
        return


@pytest.mark.parametrize("kind", [Autocommitting, AutocommittingByMethod])
def test_a_connection_that_commits_by_itself_need_not_tell(kind: type[Driver], path: Path) -> None:
    with closing(kind(path)) as connection:
        source = query(ALL, connection, key="id", page=3, paramstyle="qmark")
        assert len(list(source)) == 10


def test_no_page_has_an_offset(path: Path) -> None:
    """Nor a condition that an index does not answer: as many selects as it has columns do."""
    with closing(TellsByInfo(path)) as connection:
        list(query(ALL + ";", connection, key=["-city", "id"], page=4, paramstyle="qmark"))
        pages = [asked for asked in connection.asked if "LIMIT 5" in asked[0]]
    assert len(pages) == 5
    select, order = f"SELECT q.* FROM (\n{ALL}\n) q WHERE", "ORDER BY q.city DESC, q.id ASC LIMIT 5"
    assert pages[0] == (f"{select} 1 = 1 {order}", None)
    assert pages[1] == (f"{select} q.city = ? AND q.id > ? {order}", ("c1", 1))
    assert pages[2] == (f"{select} q.city < ? {order}", ("c1",))


@pytest.mark.parametrize("key", [["city", "id"], ["-city", "id"], ["city", "-id"]])
def test_a_page_costs_the_same_wherever_it_is(key: list[str], connection: Any) -> None:
    """Also where many rows have the same value in the first column of the key."""
    connection.execute("CREATE TABLE parcels (id INTEGER PRIMARY KEY, city TEXT NOT NULL)")
    connection.execute("CREATE INDEX places ON parcels (city, id)")
    numbers = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
    connection.execute(f"INSERT INTO parcels {numbers} SELECT i, 'c' FROM n")
    connection.commit()
    steps: list[None] = []
    connection.set_progress_handler(lambda: steps.append(None), 10)
    for number in (20, 10_000, 19_980):
        steps.clear()
        next(query("SELECT * FROM parcels", connection, key=key, page=5).open(["c", number]))
        assert 0 < len(steps) < 50


NO_CONNECTIONS: list[tuple[Any, str]] = [
    (None, "found None"),
    (5, "found int"),
    ("postgresql://me:secret@host", "found str"),
    (object(), "found object"),
    (lambda: "x.db", "the function gave str"),
    (lambda: nullcontext("x.db"), "the function gave str"),
    (create_engine("sqlite://"), "found Engine: give engine.raw_connection"),
    (create_engine("sqlite://").connect, "the function gave Connection: give engine.raw_connecti"),
    (sessionmaker(create_engine("sqlite://")), "the function gave Session: give engine.raw_conne"),
]


@pytest.mark.parametrize(("connection", "found"), NO_CONNECTIONS)
def test_what_is_no_connection_is_refused(connection: Any, found: str) -> None:
    with pytest.raises(TypeError) as refusal:
        list(query(ALL, connection, key="id"))
    assert str(refusal.value).startswith(
        "query reads through a connection of a DB-API driver or a function that makes one, " + found
    )


def test_a_cursor_is_refused_and_told_what_it_needs(connection: Any) -> None:
    with pytest.raises(TypeError) as refusal:
        source_of(connection.execute("SELECT 1"))
    assert str(refusal.value) == (
        "step.each takes no Cursor of a database: use rq_steps.sources.query, with the same SQL"
    )


def test_the_connection_of_an_engine_is_read_through(path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}")
    assert len(list(query(ALL, engine.raw_connection, key="id", page=3))) == 10
    engine.dispose()


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        (None, "found None"),
        (b"SELECT 1", "found bytes"),
        (select(1), "found Select: use rows(select, engine)"),
        (text(ALL), "found TextClause: give its text"),
    ],
)
def test_the_sql_is_a_text(sql: Any, found: str, connection: Any) -> None:
    with pytest.raises(TypeError) as refusal:
        query(sql, connection, key="id")
    assert str(refusal.value) == "query takes its SQL as text, " + found


@pytest.mark.parametrize("makes", [False, True])
def test_a_connection_before_the_sql_is_told_its_place(makes: bool, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        given: Any = partial(sqlite3.connect, path) if makes else connection
        with pytest.raises(TypeError) as refusal:
            query(given, ALL, key="id")
    found = "partial" if makes else "Connection"
    assert str(refusal.value) == (
        f"query takes its SQL as text, found {found}: the SQL comes first, query(sql, connection)"
    )

"""Values of keys, by all types that a database has for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Column, Engine, Enum, Integer, MetaData, Table, select
from sqlalchemy.dialects.mysql import ENUM
from sqlalchemy.orm import Session, sessionmaker

from rq_steps import InvalidStepError
from rq_steps.sources import query, rows
from tests.databases.server import DatabaseServer
from tests.unit.law import assert_law

TEXTS = ["", "'; --", "%s", "a\\", "aa", "ab", "o", "😀"]
MOMENTS = [
    datetime.fromisoformat("1999-12-31T23:59:59.999999"),
    datetime.fromisoformat("2024-02-29T00:00:00"),
    datetime.fromisoformat("2024-02-29T00:00:00.000001"),
]
SPANS = [timedelta(hours=-9), -timedelta(microseconds=1), timedelta(0), timedelta(hours=99)]
SIZES = ["small", "medium", "large"]
DECIMALS = [Decimal("-1.1"), Decimal("0.1"), Decimal("0.1000000000000000000001")]

VALUES: dict[str, dict[str, list[Any]]] = {
    "postgres": {
        "smallint": [-(2**15), -1, 2**15 - 1],
        "bigint": [-(2**62), -1, 0, 2**62],
        "boolean": [False, True],
        "text": [*TEXTS, "A", "a", "a ", "ä"],
        "char(9)": [*TEXTS, "A", "a", "ä"],
        'text COLLATE "und-x-icu"': [*TEXTS, "A", "a", "a ", "ä"],
        "text COLLATE nocase": [*TEXTS, "A", "b", "C"],
        "bytea": [b"", b"\x00", b"'\\%", b"\xff\x00"],
        "date": [date(1, 1, 1), date(2024, 2, 29)],
        "time": [time(0), time(0, 0, 0, 1), time(23, 59, 59, 999_999)],
        "timestamp": MOMENTS,
        "timestamp(0)": MOMENTS,
        "timestamptz": [datetime(2024, 10, 27, hour, tzinfo=timezone.utc) for hour in range(4)],
        "interval": SPANS,
        "numeric": DECIMALS,
        "uuid": [UUID(int=0), UUID(int=2**127 + 1), UUID(int=2**64)],
        "size": SIZES,
    },
    "mariadb": {
        "tinyint": [-128, -1, 127],
        "bigint": [-(2**62), -1, 0, 2**62],
        "bigint unsigned": [0, 2**63 - 1, 2**63, 2**64 - 1],
        "boolean": [False, True],
        "varchar(20)": [*TEXTS, "A", "b ", "C"],
        "varchar(20) COLLATE utf8mb4_bin": [*TEXTS, "A", "a", "ä"],
        "varchar(20) COLLATE utf8mb4_nopad_bin": [*TEXTS, "A", "a", "a ", "ä"],
        "varchar(20) CHARACTER SET latin1 COLLATE latin1_german2_ci": ["", "A", "b ", "ä", "Z"],
        "char(9)": [*TEXTS, "A", "C"],
        "text": [*TEXTS, "A", "C"],
        "varbinary(20)": [b"", b"\x00", b"'\\%", b"\xff\x00"],
        "binary(3)": [b"\x00\x00\x01", b"'\\%", b"\xff\x00\x00"],
        "blob": [b"", b"\x00", b"\xff\x00"],
        "date": [date(1, 1, 1), date(2024, 2, 29)],
        "time": [timedelta(0), timedelta(hours=23, microseconds=1)],
        "time(6)": [timedelta(0), timedelta(microseconds=1), timedelta(hours=23)],
        "datetime": MOMENTS,
        "datetime(6)": MOMENTS,
        "timestamp(6)": MOMENTS,
        "decimal(40,22)": DECIMALS,
        "uuid": [UUID(int=0), UUID(int=2**127 + 1), UUID(int=2**64)],
    },
}
KINDS = [(server, kind) for server, kinds in sorted(VALUES.items()) for kind in sorted(kinds)]
OF_EACH_KIND = pytest.mark.parametrize(
    ("database_server", "kind"), KINDS, indirect=["database_server"]
)
ONLY_MARIADB = pytest.mark.parametrize("database_server", ["mariadb"], indirect=True)
ORDERS = {("value", "-id"): "value, id DESC", ("-value", "id"): "value DESC, id"}

NOCASE = (
    "CREATE COLLATION nocase (provider=icu, locale='und-u-ks-level2', deterministic=false)",
    "CREATE TYPE size AS ENUM ('small', 'medium', 'large')",
)


@pytest.fixture
def connection(database: DatabaseServer) -> Iterator[Any]:
    with closing(database.connect(autocommit=True)) as connection:
        yield connection


@pytest.fixture
def table(kind: str, database: DatabaseServer, connection: Any, engine: Engine) -> Table:
    return kept(kind, VALUES[database.name][kind], database, connection, engine)


def kept(
    kind: str, values: list[Any], database: DatabaseServer, connection: Any, engine: Engine
) -> Table:
    """Of each value there are two rows."""
    with closing(connection.cursor()) as cursor:
        for statement in NOCASE if database.name == "postgres" else ():
            cursor.execute(statement)
        cursor.execute(f"CREATE TABLE kept (id int PRIMARY KEY, value {kind} NOT NULL)")
        for number, value in enumerate(values * 2):
            given = str(value) if isinstance(value, UUID) else value
            cursor.execute("INSERT INTO kept VALUES (%s, %s)", (number, given))
    return Table("kept", MetaData(), autoload_with=engine)


@OF_EACH_KIND
def test_a_value_of_a_querys_key_survives_the_record(
    kind: str, table: Table, connection: Any
) -> None:
    for key, order in ORDERS.items():
        with closing(connection.cursor()) as cursor:
            cursor.execute(f"SELECT * FROM kept ORDER BY {order}")
            found = [row[0] for row in cursor.fetchall()]
        source = query("SELECT * FROM kept", connection, key=key, page=1)
        assert [row[0] for row in source] == found
        assert_law(partial(query, "SELECT * FROM kept", connection, key=key, page=2), plain=False)


@OF_EACH_KIND
def test_a_value_of_a_selects_key_survives_the_record(
    kind: str, table: Table, engine: Engine
) -> None:
    for key in ([table.c.value, table.c.id.desc()], [table.c.value.desc(), table.c.id]):
        with engine.connect() as connection:
            found = list(connection.scalars(select(table.c.id).order_by(*key)))
        source = rows(select(table), engine, key=key, page=1)
        assert [row.id for row in source] == found
        assert_law(partial(rows, select(table), engine, key=key, page=2), plain=False)


# What MariaDB compares otherwise than it orders, or SQLAlchemy reads otherwise than it is


@ONLY_MARIADB
def test_a_time_of_more_than_a_day_is_the_key_of_a_query_and_not_of_a_select(
    database: DatabaseServer, connection: Any, engine: Engine
) -> None:
    table = kept("time(6)", SPANS, database, connection, engine)
    for key in ORDERS:
        assert_law(partial(query, "SELECT * FROM kept", connection, key=key), plain=False)
    for column in (table.c.value, table.c.value.desc()):
        source = rows(select(table), engine, key=[column, table.c.id], page=1)
        with pytest.raises(InvalidStepError, match="other columns"):
            list(source)


@ONLY_MARIADB
@pytest.mark.parametrize("type_", [Enum(*SIZES), ENUM(*SIZES), None])
def test_an_enum_of_mysql_is_no_key_of_a_select(
    type_: Any, database: DatabaseServer, connection: Any, engine: Engine
) -> None:
    table = kept("enum('small', 'medium', 'large')", SIZES, database, connection, engine)
    if type_ is not None:
        columns = (Column("id", Integer, primary_key=True), Column("value", type_, nullable=False))
        table = Table("kept", MetaData(), *columns)
    with Session(engine) as session, engine.connect() as opened:
        for bind in (engine, session, opened, sessionmaker(engine)):
            source = rows(select(table), bind, key=[table.c.value, table.c.id])
            with pytest.raises(
                InvalidStepError, match=r"^select: kept.value is an ENUM of MySQL, "
            ):
                list(source)


@ONLY_MARIADB
def test_an_enum_of_mysql_is_the_key_of_a_query_as_a_number_or_a_text(
    database: DatabaseServer, connection: Any, engine: Engine
) -> None:
    kept("enum('small', 'medium', 'large')", SIZES, database, connection, engine)
    for value in ("value + 0", "cast(value AS char)"):
        sql = f"SELECT id, {value} AS size FROM kept"
        assert_law(partial(query, sql, connection, key=["size", "id"], page=1))

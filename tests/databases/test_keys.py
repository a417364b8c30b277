"""Values of keys, by all types that a database has for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, MetaData, Table, select

from rq_steps.sources import query, rows
from tests.databases.server import DatabaseServer
from tests.unit.test_sources_law import assert_law

TEXTS = ["", "'; --", "%s", "a\\", "aa", "ab", "o", "😀"]
MOMENTS = [
    datetime.fromisoformat("1999-12-31T23:59:59.999999"),
    datetime.fromisoformat("2024-02-29T00:00:00"),
    datetime.fromisoformat("2024-02-29T00:00:00.000001"),
]
SPANS = [timedelta(hours=-9), -timedelta(microseconds=1), timedelta(0), timedelta(hours=99)]
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
        "size": ["small", "medium", "large"],
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
        "time": SPANS,
        "time(6)": SPANS,
        "datetime": MOMENTS,
        "datetime(6)": MOMENTS,
        "timestamp(6)": MOMENTS,
        "decimal(40,22)": DECIMALS,
        "uuid": [UUID(int=0), UUID(int=2**127 + 1), UUID(int=2**64)],
        "year": [1999, 2024],
    },
}
KINDS = [(server, kind) for server, kinds in sorted(VALUES.items()) for kind in sorted(kinds)]
ORDERS = [["value", "-id"], ["-value", "id"]]

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
    """Of each value there are two rows."""
    with closing(connection.cursor()) as cursor:
        for statement in NOCASE if database.name == "postgres" else ():
            cursor.execute(statement)
        cursor.execute(f"CREATE TABLE kept (id int PRIMARY KEY, value {kind} NOT NULL)")
        for number, value in enumerate(VALUES[database.name][kind] * 2):
            given = str(value) if isinstance(value, UUID) else value
            cursor.execute("INSERT INTO kept VALUES (%s, %s)", (number, given))
    return Table("kept", MetaData(), autoload_with=engine)


@pytest.mark.parametrize(("database_server", "kind"), KINDS, indirect=["database_server"])
@pytest.mark.parametrize("key", ORDERS)
def test_a_value_of_a_querys_key_survives_the_record(
    key: list[str], kind: str, table: Table, connection: Any
) -> None:
    with closing(connection.cursor()) as cursor:
        cursor.execute(f"SELECT * FROM kept ORDER BY {', '.join(map(directed, key))}")
        found = [row[0] for row in cursor.fetchall()]
    source = query(connection, "SELECT * FROM kept", key=key, page=1)
    assert [row[0] for row in source] == found
    assert_law(lambda: query(connection, "SELECT * FROM kept", key=key, page=2), plain=False)


def directed(name: str) -> str:
    return f"{name[1:]} DESC" if name.startswith("-") else name


@pytest.mark.parametrize(("database_server", "kind"), KINDS, indirect=["database_server"])
@pytest.mark.parametrize("key", ORDERS)
def test_a_value_of_a_selects_key_survives_the_record(
    key: list[str], kind: str, table: Table, engine: Engine
) -> None:
    columns = [table.c[name[1:]].desc() if name[0] == "-" else table.c[name] for name in key]
    with engine.connect() as connection:
        found = list(connection.scalars(select(table.c.id).order_by(*columns)))
    source = rows(select(table), engine, key=columns, page=1)
    assert [row.id for row in source] == found
    assert_law(lambda: rows(select(table), engine, key=columns, page=2), plain=False)

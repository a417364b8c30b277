"""What a page costs in MariaDB, by what it says that it has read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, select, text

from rq_steps.sources import Source, query, queryset, rows
from tests.databases.server import DatabaseServer
from tests.databases.test_querysets import alias
from tests.unit.models import models

__all__ = ["alias"]

Ask = Callable[[str], list[Any]]

READ = (
    "SELECT sum(variable_value) FROM information_schema.session_status "
    "WHERE variable_name LIKE 'Handler_read%' OR variable_name = 'Handler_icp_attempts'"
)
ITEMS = Table(
    "unit_item",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("a", Integer, nullable=False),
    Column("b", String(20), nullable=False),
)


@pytest.fixture
def items(alias: str, django: Any) -> Any:
    """Twenty thousand, half of them with the same `a`."""
    item = models().Item
    with django.connections[alias].schema_editor() as editor:
        editor.create_model(item)
    with django.connections[alias].cursor() as cursor:
        cursor.execute("CREATE INDEX by_a ON unit_item (a, id)")
        cursor.execute("INSERT INTO unit_item SELECT seq, seq % 2, seq FROM seq_1_to_20000")
        cursor.execute("ANALYZE TABLE unit_item")
    return item.objects.using(alias)


@pytest.fixture(params=["rows", "queryset", "query"])
def made(
    request: pytest.FixtureRequest,
    items: Any,
    alias: str,
    database: DatabaseServer,
    engine: Engine,
    django: Any,
) -> Iterator[tuple[Callable[[list[str]], Source[Any]], Ask]]:
    """What makes a source by the names in its key, and what asks its connection."""
    if request.param == "queryset":
        yield (
            lambda key: queryset(items.all(), key=key, page=100),
            in_cursor(django.connections[alias]),
        )
    elif request.param == "query":
        with closing(database.connect(autocommit=True)) as connection:
            sql = "SELECT * FROM unit_item"
            yield lambda key: query(sql, connection, key=key, page=100), in_cursor(connection)
    else:
        with engine.connect() as connection:
            yield (
                lambda key: rows(select(ITEMS), connection, key=columns(key), page=100),
                lambda sql: list(connection.execute(text(sql))),
            )


def in_cursor(connection: Any) -> Ask:
    def ask(sql: str) -> list[Any]:
        with closing(connection.cursor()) as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []

    return ask


def columns(key: list[str]) -> list[Any]:
    return [ITEMS.c[name[1:]].desc() if name.startswith("-") else ITEMS.c[name] for name in key]


@pytest.mark.parametrize("database_server", ["mariadb"], indirect=True)
def test_a_page_costs_the_same_wherever_it_is_among_rows_that_share_a_value(made: Any) -> None:
    make, ask = made
    for key, last, first in ((["a", "id"], 8_001, 8_003), (["-a", "-id"], 12_001, 11_999)):
        pairs = make(key).open([1, last])
        before = read(ask)
        item, _ = next(pairs)
        assert read(ask) - before < 1_000
        assert first == (item[0] if isinstance(item, tuple) else item.id)


def read(ask: Ask) -> int:
    return int(ask(READ)[0][0])

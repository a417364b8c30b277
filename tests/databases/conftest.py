"""Each test that asks for `database` runs over every database server there is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine

from tests.databases.mariadb import a_mariadb
from tests.databases.postgres import a_postgres
from tests.databases.server import DatabaseServer
from tests.unit.conftest import django
from tests.unit.memory import Job

__all__ = ["django"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "database_server" in getattr(item, "fixturenames", ()):
            item.add_marker("databases")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[DatabaseServer]:
    with a_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[DatabaseServer]:
    with a_mariadb() as server:
        yield server


@pytest.fixture(params=["mariadb", "postgres"])
def database_server(request: pytest.FixtureRequest) -> DatabaseServer:
    """One of a session for each name: a session's fixture with parameters would come and go."""
    server: DatabaseServer = request.getfixturevalue(f"{request.param}_server")
    return server


@pytest.fixture
def database(database_server: DatabaseServer) -> Iterator[DatabaseServer]:
    """Of a database that is empty."""
    database_server.create()
    yield database_server
    database_server.drop()


@pytest.fixture
def engine(database: DatabaseServer) -> Iterator[Engine]:
    engine = create_engine(database.url)
    yield engine
    engine.dispose()


@pytest.fixture(params=["native", "generator"])
def job(request: pytest.FixtureRequest) -> Job:
    return Job(native=request.param == "native", pickling=False)

"""A PostgreSQL of the tests' own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from tests.databases.programs import folder, run
from tests.databases.server import DatabaseServer

OWNER = "postgres"


class Postgres(DatabaseServer):
    name = "postgres"

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    @property
    def url(self) -> URL:
        return URL.create(
            "postgresql+psycopg",
            username="tests",
            database="tests",
            query={"host": str(self._socket)},
        )

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "tests",
            "USER": "tests",
            "HOST": str(self._socket),
        }

    def connect(self, **options: Any) -> Any:
        named = {"host": str(self._socket), "user": "tests", "dbname": "tests", **options}
        return import_module("psycopg").connect(**named)

    def create(self) -> None:
        self._ask("CREATE DATABASE tests")

    def drop(self) -> None:
        self._ask("DROP DATABASE tests WITH (FORCE)")

    def transactions(self) -> int:
        sql = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = 'tests' AND xact_start NOTNULL"
            " AND backend_type = 'client backend'"  # the server may be at its own business
        )
        return int(self._ask(sql).fetchone()[0])

    def _ask(self, sql: str) -> Any:
        with closing(self.connect(dbname="template1", autocommit=True)) as connection:
            return connection.execute(sql)


@contextmanager
def a_postgres() -> Iterator[Postgres]:
    with folder(OWNER) as data:
        names = ("--username=tests", "--encoding=UTF8", "--no-locale")
        run(OWNER, "initdb", "--auth=trust", "--no-sync", *names, f"--pgdata={data / 'db'}")
        options = f"-c listen_addresses= -c unix_socket_directories={data} -c fsync=off"
        control = ("pg_ctl", f"--pgdata={data / 'db'}", "--wait", "--silent")
        run(OWNER, *control, f"--log={data / 'log'}", f"--options={options}", "start")
        try:
            yield Postgres(data)
        finally:
            run(OWNER, *control, "--mode=immediate", "stop")

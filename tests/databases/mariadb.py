"""A MariaDB of the tests' own."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from tests.databases.programs import folder, run, running
from tests.databases.server import DatabaseServer
from tests.workers import wait_until

OWNER = "mysql"


class MariaDB(DatabaseServer):
    name = "mariadb"

    def __init__(self, path: Path) -> None:
        self._socket = str(path)

    @property
    def url(self) -> URL:
        return URL.create(
            "mariadb+pymysql",
            username="root",
            database="tests",
            query={"unix_socket": self._socket},
        )

    @property
    def settings(self) -> dict[str, Any]:
        import_module("pymysql").install_as_MySQLdb()
        return {
            "ENGINE": "django.db.backends.mysql",
            "NAME": "tests",
            "USER": "root",
            "HOST": self._socket,
            "OPTIONS": {"charset": "utf8mb4"},  # Django 5.2's own
        }

    def connect(self, **options: Any) -> Any:
        named = {"unix_socket": self._socket, "user": "root", "database": "tests", **options}
        return import_module("pymysql").connect(**named)

    def create(self) -> None:
        self._ask("CREATE DATABASE tests")

    def drop(self) -> None:
        self._ask("DROP DATABASE tests")

    def transactions(self) -> int:
        """From the monitor: what the table `innodb_trx` says is some time old."""
        _, _, status = self._ask("SHOW ENGINE INNODB STATUS")
        return len(re.findall("^---TRANSACTION .*, ACTIVE", status, re.MULTILINE))

    def answers(self) -> bool:
        """By hand: the driver leaves a socket open that is refused."""
        with socket.socket(socket.AF_UNIX) as plug:
            return plug.connect_ex(self._socket) == 0

    def _ask(self, sql: str) -> Any:
        with closing(self.connect(database=None)) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()


@contextmanager
def a_mariadb() -> Iterator[MariaDB]:
    with folder(OWNER) as place:
        data = f"--datadir={place / 'db'}"
        rights = "--auth-root-authentication-method=normal"
        run(OWNER, "mariadb-install-db", "--no-defaults", "--skip-test-db", rights, data)
        options = (
            "--skip-networking",
            "--character-set-server=utf8mb4",
            "--innodb-flush-log-at-trx-commit=0",
        )
        server = MariaDB(place / "socket")
        program = ("mariadbd", "--no-defaults", data, f"--socket={place / 'socket'}", *options)
        with running(OWNER, *program):
            wait_until(server.answers, "MariaDB does not answer")
            yield server

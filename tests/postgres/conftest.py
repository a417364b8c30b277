"""A PostgreSQL of the tests' own. Its programs have to be installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "postgres" in getattr(item, "fixturenames", ()):
            item.add_marker("postgres")


@pytest.fixture(scope="session")
def server_of_postgres() -> Iterator[Path]:
    """The folder of its socket."""
    with folder() as data:
        run("initdb", "--auth=trust", "--username=tests", "--no-sync", f"--pgdata={data / 'db'}")
        options = f"-c listen_addresses= -c unix_socket_directories={data} -c fsync=off"
        control = ("pg_ctl", f"--pgdata={data / 'db'}", "--wait", "--silent")
        run(*control, f"--log={data / 'log'}", f"--options={options}", "start")
        try:
            yield data
        finally:
            run(*control, "--mode=immediate", "stop")


@pytest.fixture
def postgres(server_of_postgres: Path) -> Iterator[str]:
    """Of an empty database, as psycopg takes it."""
    name = f"host={server_of_postgres} user=tests dbname="
    psycopg: Any = import_module("psycopg")
    with psycopg.connect(f"{name}template1", autocommit=True) as connection:
        connection.execute("CREATE DATABASE tests")
        yield f"{name}tests"
        connection.execute("DROP DATABASE tests WITH (FORCE)")


@contextmanager
def folder() -> Iterator[Path]:
    """Not pytest's: below that nobody else may look, and the server refuses to run as root."""
    path = Path(tempfile.mkdtemp(prefix="postgres"))
    try:
        if os.geteuid() == 0:
            shutil.chown(path, "postgres")
        yield path
    finally:
        shutil.rmtree(path)


def run(program: str, *arguments: str) -> None:
    done = subprocess.run(
        [found(program), *arguments],
        cwd="/",
        user="postgres" if os.geteuid() == 0 else None,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout


def found(program: str) -> str:
    """Debian has them in folders by version, and not on the path."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    path = shutil.which(program) or (str(debian[-1]) if debian else None)
    assert path is not None, f"{program} is not installed"
    return path

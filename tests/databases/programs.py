"""Programs of a database server. They have to be installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Debian has PostgreSQL's in folders by version, and a path without sbin for whoever is not root.
DEBIAN = {"/usr/lib/postgresql": "*/bin/", "/usr": "sbin/"}


@contextmanager
def folder(owner: str) -> Iterator[Path]:
    """Not pytest's: below that nobody else may look, and a server refuses to run as root."""
    path = Path(tempfile.mkdtemp(prefix="database"))
    try:
        if account(owner):
            shutil.chown(path, owner)
        yield path
    finally:
        shutil.rmtree(path)


def run(owner: str, program: str, *arguments: str) -> None:
    """Run it to its end, as the owner where this is root."""
    done = subprocess.run(
        [found(program), *arguments],
        cwd="/",
        user=account(owner),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout


@contextmanager
def running(owner: str, program: str, *arguments: str) -> Iterator[None]:
    """The program beside this one, killed in the end: what it has written is of no use any more."""
    started = subprocess.Popen([found(program), *arguments], cwd="/", user=account(owner))
    try:
        yield
    finally:
        started.kill()
        started.wait()


def account(owner: str) -> str | None:
    return owner if os.geteuid() == 0 else None


def found(program: str) -> str:
    debian = [
        str(path) for place, below in DEBIAN.items() for path in Path(place).glob(below + program)
    ]
    path = shutil.which(program) or (max(debian) if debian else None)
    assert path is not None, f"{program} is not installed"
    return path

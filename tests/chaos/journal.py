"""What a job writes down of itself, where no engine can make it look better.

One file a job. Each line is one append of one size, so that lines of two executions never mix, and
the number of lines is the size of the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import NamedTuple

START = "start"
"""The continuable was called. In the place of an item: the process that is its worker."""
BEGIN = "begin"
"""An item is in hand."""
DONE = "done"
"""The body of the item is at its end."""
LEFT = "left"
"""An interrupt went through the continuable."""
END = "end"
"""The continuable returned."""

_FORMAT = "{:<12} {:>8} {:<5} {:<8} {:>8} {:>20.6f}\n"


class Line(NamedTuple):
    """One line. `at` is seconds on the clock that all processes of a machine share."""

    execution: str
    pid: int
    what: str
    step: str
    item: int
    at: float

    def dump(self) -> bytes:
        return _FORMAT.format(*self).encode()


WIDTH = len(Line("", 0, START, "-", 0, 0.0).dump())


class Journal:
    """The journal of one job, as one of its executions writes it."""

    def __init__(self, folder: Path, name: str) -> None:
        self._execution = os.urandom(6).hex()
        self._pid = os.getpid()
        self._file = os.open(path_of(folder, name), os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(self, what: str, step: str = "-", item: int = 0) -> None:
        line = Line(self._execution, self._pid, what, step, item, monotonic())
        os.write(self._file, line.dump())

    def close(self) -> None:
        os.close(self._file)


def path_of(folder: Path, name: str) -> Path:
    return folder / f"{name}.journal"


def read(folder: Path, name: str) -> list[Line]:
    """The lines of a job in the order in which they were written."""
    path = path_of(folder, name)
    return list(_lines(path.read_text())) if path.exists() else []


def progress(folder: Path) -> int:
    """The number of lines in all journals."""
    return sum(path.stat().st_size for path in folder.glob("*.journal")) // WIDTH


def _lines(text: str) -> Iterator[Line]:
    for row in text.splitlines():
        execution, pid, what, step, item, at = row.split()
        yield Line(execution, int(pid), what, step, int(item), float(at))

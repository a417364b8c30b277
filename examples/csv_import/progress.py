"""A bar on a terminal; where there is none, a plain line for every tenth."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

WIDTH = 24
ERASE = "\r\x1b[K"


class Progress:
    """Shows how many rows of how many are done. Entered anew, it measures the speed anew."""

    def __init__(self, label: str, out: TextIO | None = None) -> None:
        self._label = label
        self._out = out or sys.stdout
        self._first: tuple[float, int] | None = None
        self._tenths = 0

    def __enter__(self) -> Progress:
        self._first = None
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._out.isatty():
            print(file=self._out, flush=True)

    def show(self, done: int, total: int) -> None:
        """So many rows are done now. A total of 0 is one that is not known yet."""
        if total == 0:
            return
        bar = ("#" * (WIDTH * done // total)).ljust(WIDTH, ".")
        line = f"{self._label} [{bar}] {done:>7,} of {total:,}{self._rate(done)}"
        tenths, self._tenths = self._tenths, 10 * done // total
        if self._out.isatty():
            print(f"{ERASE}{line}", end="", file=self._out, flush=True)
        elif self._tenths > tenths:
            print(line, file=self._out, flush=True)

    def _rate(self, done: int) -> str:
        now = time.monotonic()
        since, first = self._first = self._first or (now, done)
        return f"  {(done - first) / (now - since):,.0f} rows/s" if done > first else ""

"""An `rq worker` process of the demo: started, stopped as a deploy stops it, and read."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from rq_steps.parent_death import tied_to_this_process

ROOT = Path(__file__).parents[2]
LOOK_EVERY = 0.02  # seconds
PATIENCE = 60  # seconds
TAIL = 2_000  # characters


class WorkerError(RuntimeError):
    """A worker did not do what it was to do. Shows the end of its log."""


class WorkerProcess:
    """One `rq worker -w rq_steps.Worker`, writing its log to a file."""

    def __init__(self, number: int, redis_url: str, queue: str, folder: Path) -> None:
        self.number = number
        self.command = f"rq worker -w rq_steps.Worker {queue}"
        self._log = folder / f"worker-{number}.log"
        _, *arguments = self.command.split()
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                tied_to_this_process([sys.executable, "-m", "rq.cli", *arguments]),
                cwd=ROOT,
                env=os.environ | {"RQ_REDIS_URL": redis_url},
                stdout=output,
                stderr=output,
                start_new_session=True,  # a Ctrl-C is for the demo, which then stops its workers
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Is it still there?"""
        return self._process.poll() is None

    def log(self) -> str:
        """All it has written so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first place in its log that matches, as soon as there is one.

        Raises:
            WorkerError: there is none within a minute, or the worker is gone.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            goes_on = self.running and time.monotonic() < deadline  # asked before the log is read
            match = re.search(pattern, self.log())
            if match:
                return match
            if not goes_on:
                raise self.failed(f"did not log '{pattern}'")
            time.sleep(LOOK_EVERY)

    def stop(self) -> float:
        """Stop it as a deploy does, with SIGTERM. Returns how many seconds it took to be gone."""
        sent = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise self.failed("ignores SIGTERM") from None
        return time.monotonic() - sent

    def end(self) -> None:
        """Have it gone: asked, asked again, and killed."""
        for signum in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            self._process.send_signal(signum)
            try:
                self._process.wait(3)
            except subprocess.TimeoutExpired:
                continue
            return

    def failed(self, problem: str) -> WorkerError:
        """The error to raise for this worker."""
        return WorkerError(f"worker {self.number} {problem}\n{self.log()[-TAIL:]}")

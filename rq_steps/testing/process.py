"""A worker process, with its work-horses and whatever else it starts.

It is in a session of its own, which no Ctrl-C on the terminal reaches: the session is what
`processes` and `kill_tree` mean, also when the worker itself is gone.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rq_steps.parent_death import tied_to_this_process
from rq_steps.testing.waiting import wait_until

_PROCESSES = Path("/proc")


class WorkerProcess:
    """A worker that runs, and on Linux never outlives the process that started it.

    Args:
        name: RQ's name of the worker.
        command: what to run.
        log: the file for its output.
        environment: all of its variables.
        folder: where it runs; None: where this process does.

    Attributes:
        pid: the process, which is the leader of its session too.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                tied_to_this_process(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def output(self) -> str:
        """What it and its horses have printed so far."""
        return self._log.read_text(errors="replace")

    @property
    def running(self) -> bool:
        """Does the worker itself run? Its horses may, when it does not."""
        return self.status is None

    @property
    def status(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    @property
    def processes(self) -> list[int]:
        """All that live in its session: the worker, its horses, what these have started."""
        return [pid for pid in living_processes() if _session(pid) == self.pid]

    def terminate(self) -> None:
        """SIGTERM to the worker alone: a warm shutdown."""
        self._send(signal.SIGTERM, [self.pid])

    def kill_tree(self, deadline: float = 30.0) -> None:
        """SIGKILL to all of them, as when a machine is lost. Returns when none is left.

        Raises:
            TimeoutError: after `deadline` seconds some still live.
        """

        def killed() -> bool:
            left = self.processes
            self._send(signal.SIGKILL, left)
            return not left

        wait_until(killed, f"worker {self.name} cannot be killed", deadline=deadline)
        self._process.wait()

    def wait(self, deadline: float = 30.0) -> int:
        """Wait until the worker has ended. Its exit status, negative for a signal.

        Raises:
            TimeoutError: after `deadline` seconds it still runs.
        """
        wait_until(lambda: not self.running, f"worker {self.name} has not ended", deadline=deadline)
        return self._process.returncode

    def _send(self, how: signal.Signals, pids: Iterable[int]) -> None:
        for pid in pids:
            # Not yet reaped, it keeps its id: no other process can be meant.
            if pid != self.pid or self.running:
                _signal(pid, how)


def living_processes() -> list[int]:
    """All of the machine but zombies: whoever should bury those may never come."""
    return _of_proc() if (_PROCESSES / "self" / "stat").exists() else _of_ps()


def _of_proc() -> list[int]:
    pids = (int(entry.name) for entry in _PROCESSES.iterdir() if entry.name.isdigit())
    return [pid for pid in pids if _lives(pid)]


def _lives(pid: int) -> bool:
    try:
        stat = (_PROCESSES / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return False
    return not stat.rpartition(")")[2].lstrip().startswith("Z")


def _of_ps() -> list[int]:
    command = ["ps", "-A", "-o", "pid=,stat="]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = (line.split() for line in run.stdout.splitlines())
    return [int(pid) for pid, state, *_ in lines if not state.startswith("Z")]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _signal(pid: int, how: signal.Signals) -> None:
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return

"""Real worker processes for tests, and the one way to wait for what they do.

    def test_a_plain_job_is_done(worker: Workers, connection: Redis) -> None:
        job = Queue(connection=connection).enqueue(double, 21)
        running = worker("default", worker_class="rq.Worker")
        wait_until(lambda: job.get_status() == "finished", "the job was not done")
        running.terminate()
        assert running.wait() == 0

Every worker is in a session of its own, with its horses and whatever else it starts: the session
is what `processes`, `terminate_tree` and `kill_tree` mean, also when the worker itself is gone.
When a test fails, pytest shows what its workers printed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import psutil
import pytest

from rq_steps.server import tied_to_this_process

ROOT = Path(__file__).parent.parent
PAUSE = 0.01

T = TypeVar("T")


def wait_until(condition: Callable[[], T], message: str, *, deadline: float = 30.0) -> T:
    """Wait until the condition holds, and return what it returned; fail with the message if never.

    Tests do not sleep: they wait here, for something to be seen in Redis, in a database, in a
    worker's output. `deadline` is in seconds, and generous: it is spent only by a failing test.
    """
    end = time.monotonic() + deadline
    pause = threading.Event()
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            pytest.fail(f"{message} (waited for {deadline:g} seconds)")
        pause.wait(PAUSE)


class WorkerProcess:
    """`rq worker` or `rq worker-pool`, running.

    Attributes:
        name: RQ's name of the worker (`rq:worker:<name>`); of a pool, the pool's in the test.
        pid: the process, which is the leader of its session too.
    """

    def __init__(
        self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self._output = folder / f"{name}.log"
        with self._output.open("wb") as output:
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
        return self._output.read_text(errors="replace")

    @property
    def running(self) -> bool:
        """Does the worker itself run? Its horses may, when it does not."""
        return self._process.poll() is None

    @property
    def processes(self) -> list[int]:
        """All that live in its session: the worker, its horses, a scheduler, a pool's workers."""
        return [pid for pid in psutil.pids() if _session(pid) == self.pid and _lives(pid)]

    @property
    def horses(self) -> list[int]:
        """Its living work-horses: they alone lead a process group of their own."""
        return [pid for pid in self.processes if pid != self.pid and _group(pid) == pid]

    def horse(self, deadline: float = 30.0) -> int:
        """The one horse that runs, waited for."""
        horses = self._wait_until(lambda: self.horses, "has no work-horse", deadline)
        assert len(horses) == 1, f"{self.name} has several work-horses: {horses}"
        return horses[0]

    def terminate(self) -> None:
        """SIGTERM to the worker alone: a warm shutdown, and a cold one a second later."""
        self._send(signal.SIGTERM, [self.pid])

    def terminate_tree(self) -> None:
        """SIGTERM to the worker and all it has started, as systemd and Heroku do."""
        self._send(signal.SIGTERM, self.processes)

    def kill(self) -> None:
        """SIGKILL to the worker alone; its horse lives on."""
        self._send(signal.SIGKILL, [self.pid])
        self._process.wait()

    def kill_horse(self) -> None:
        """SIGKILL to the horse, as the kernel does when memory runs out. Waits for one."""
        self._send(signal.SIGKILL, [self.horse()])

    def kill_tree(self, deadline: float = 30.0) -> None:
        """SIGKILL to all of them, as when a machine is lost. Returns when none is left."""

        def killed() -> bool:
            left = self.processes
            self._send(signal.SIGKILL, left)
            return not left

        self._wait_until(killed, "cannot be killed", deadline)
        self._process.wait()

    def wait(self, deadline: float = 30.0) -> int:
        """Wait until the worker has ended. Its exit status, negative for a signal."""
        self._wait_until(lambda: not self.running, "has not ended", deadline)
        return self._process.returncode

    def wait_for_output(self, text: str, deadline: float = 30.0) -> None:
        """Wait until it has printed the text; fail at once if it ended without."""

        def printed() -> bool:
            running = self.running
            if text in self.output:
                return True
            assert running, f"{self.name} ended without printing {text!r}"
            return False

        self._wait_until(printed, f"has not printed {text!r}", deadline)

    def wait_until_listening(self) -> None:
        """Wait until it is registered, looks for jobs, and has its handlers: RQ says so before."""
        self.wait_for_output("Listening on ")
        self._wait_until(lambda: _catches(self.pid, signal.SIGTERM), "has no handlers", 30.0)

    def _wait_until(self, condition: Callable[[], T], what: str, deadline: float) -> T:
        return wait_until(condition, f"worker {self.name} {what}", deadline=deadline)

    def _send(self, how: signal.Signals, pids: Iterable[int]) -> None:
        for pid in pids:
            # Not yet reaped, it keeps its id: no other process can be meant.
            if pid != self.pid or self.running:
                _signal(pid, how)


class Workers:
    """Starts workers, and ends what is left of them. The fixture `worker` is one.

    Args:
        url: the server they work for.
        folder: where they run and where their output goes.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder
        self._started: list[WorkerProcess] = []

    def __call__(
        self,
        *queues: str,
        worker_class: str = "rq_steps.Worker",
        burst: bool = False,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        url: str | None = None,
    ) -> WorkerProcess:
        """Start `rq worker -w worker_class queues...` and return at once.

        Args:
            queues: none means RQ's own `default`.
            burst: end when the queues are empty.
            args: further arguments of `rq worker`.
            env: further environment variables.
            url: another server than the test's.
        """
        name = f"worker-{len(self._started) + 1}"
        options = ["--name", name, *(["--burst"] if burst else []), *args]
        return self._start(name, "worker", worker_class, options, queues, env, url)

    def pool(
        self,
        *queues: str,
        size: int = 2,
        worker_class: str = "rq_steps.Worker",
        burst: bool = False,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        url: str | None = None,
    ) -> WorkerProcess:
        """Start `rq worker-pool` with `size` workers; the rest as for a single worker."""
        name = f"pool-{len(self._started) + 1}"
        options = ["--num-workers", str(size), *(["--burst"] if burst else []), *args]
        return self._start(name, "worker-pool", worker_class, options, queues, env, url)

    def outputs(self) -> list[tuple[str, str]]:
        """What each has printed, with a title."""
        return [(f"output of {worker.name}", worker.output) for worker in self._started]

    def close(self) -> None:
        """Kill all that is left of all of them."""
        for worker in self._started:
            worker.kill_tree()

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _start(
        self,
        name: str,
        command: str,
        worker_class: str,
        options: Sequence[str],
        queues: Sequence[str],
        env: Mapping[str, str] | None,
        url: str | None,
    ) -> WorkerProcess:
        rq = [sys.executable, "-m", "rq.cli", command]
        where = ["--url", url or self._url, "--worker-class", worker_class]
        environment = _environment() | dict(env or {})
        worker = WorkerProcess(name, [*rq, *where, *options, *queues], self._folder, environment)
        self._started.append(worker)
        return worker


def _environment() -> dict[str, str]:
    """The test's own; modules of jobs are found as the test finds them: `tests.jobs.plain`."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def _lives(pid: int) -> bool:
    """A zombie does not: whoever should bury it may never come."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _signal(pid: int, how: signal.Signals) -> None:
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return


def _catches(pid: int, signum: signal.Signals) -> bool:
    """Has the process a handler for the signal? Only Linux tells; others are believed."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return True
    caught = next(line for line in status.read_text().splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) & (1 << (signum - 1)))

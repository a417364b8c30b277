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
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import pytest

from rq_steps.testing import process, waiting

ROOT = Path(__file__).parent.parent

T = TypeVar("T")


def wait_until(condition: Callable[[], T], message: str, *, deadline: float = 30.0) -> T:
    """Wait until the condition holds, and return what it returned; fail with the message if never.

    Tests do not sleep: they wait here, for something to be seen in Redis, in a database, in a
    worker's output. `deadline` is in seconds, and generous: it is spent only by a failing test.
    """
    try:
        return waiting.wait_until(condition, message, deadline=deadline)
    except TimeoutError as error:
        pytest.fail(str(error))


class WorkerProcess(process.WorkerProcess):
    """`rq worker` or `rq worker-pool`, running.

    Attributes:
        name: RQ's name of the worker (`rq:worker:<name>`); of a pool, the pool's in the test.
        pid: the process, which is the leader of its session too.
    """

    @property
    def horses(self) -> list[int]:
        """Its living work-horses: they alone lead a process group of their own."""
        return [pid for pid in self.processes if pid != self.pid and _group(pid) == pid]

    def horse(self, deadline: float = 30.0) -> int:
        """The one horse that runs, waited for."""
        horses = self._wait_until(lambda: self.horses, "has no work-horse", deadline)
        assert len(horses) == 1, f"{self.name} has several work-horses: {horses}"
        return horses[0]

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
        log = self._folder / f"{name}.log"
        words = [*rq, *where, *options, *queues]
        worker = WorkerProcess(name, words, log, environment, self._folder)
        self._started.append(worker)
        return worker


def _environment() -> dict[str, str]:
    """The test's own; modules of jobs are found as the test finds them: `tests.jobs.plain`."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def _catches(pid: int, signum: signal.Signals) -> bool:
    """Has the process a handler for the signal? Only Linux tells; others are believed."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return True
    caught = next(line for line in status.read_text().splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) & (1 << (signum - 1)))

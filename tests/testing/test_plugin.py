"""The fixtures in somebody's project, run by a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rq_steps.testing.process import living_processes
from tests.workers import ROOT

pytestmark = pytest.mark.server

JOBS = """
import os, signal
from pathlib import Path
from rq import get_current_job
from rq_steps import Step, continuable, step

@step
def import_rows(step: Step, done: str) -> None:
    for row in step.each(range(4)):
        with open(done, "a") as file:
            file.write(str(row))

@continuable(save_every=0)
def process_import(done: str) -> int:
    import_rows(done)
    return 4

@step
async def import_row(row: int) -> int:
    return row

@continuable
async def import_asynchronously() -> int:
    return sum([await import_row.with_options(name=f"row {row}")(row) for row in range(4)])

def interrupt(pid: int, pids: str) -> None:
    "Ctrl-C at the terminal reaches the tests, and not their workers."
    Path(pids).write_text(f"{os.getpid()} {os.getppid()}")
    os.kill(pid, signal.SIGINT)
    get_current_job().connection.blpop(["never"], timeout=600)
"""

PASSES = """
import pytest
from jobs import process_import

@pytest.mark.parametrize("how", ["stop", "kill_horse"])
def test_an_import_survives(live_jobs, how, tmp_path):
    assert not live_jobs.connection.keys()
    done = tmp_path / "done"
    job = live_jobs.enqueue(process_import, str(done))
    getattr(live_jobs, how)(during="import_rows", cursor=2)
    live_jobs.run(job)
    assert job.return_value() == 4
    assert done.read_text() == {"stop": "0123", "kill_horse": "01123"}[how]
"""

IN_MEMORY = """
import pytest
from jobs import process_import

def test_an_import_is_rehearsed(rehearse, tmp_path):
    rehearsal = rehearse(process_import, str(tmp_path / "done"))
    rehearsal.interrupt(during="import_rows", cursor=2)
    assert rehearsal.run().result == 4
    assert (tmp_path / "done").read_text() == "0123"

def test_an_import_is_wrong_somewhere(everywhere, rehearse, tmp_path):
    done = tmp_path / "done"

    def make():
        done.write_text("")
        return rehearse(process_import, str(done))

    with pytest.raises(AssertionError, match="crashed at"):
        everywhere(make, lambda _: done.read_text() == "0123")
"""

BESIDE_FAKEREDIS = """
import fakeredis, pytest, redis
from jobs import process_import

@pytest.fixture(autouse=True, scope="session")
def no_redis():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redis, "Redis", fakeredis.FakeRedis)
        patch.setattr(redis, "StrictRedis", fakeredis.FakeStrictRedis)
        yield

def test_an_import_survives(live_jobs, tmp_path):
    assert not live_jobs.connection.keys()
    job = live_jobs.enqueue(process_import, str(tmp_path / "done"))
    live_jobs.kill_horse(during="import_rows", cursor=2)
    live_jobs.run(job)
    assert job.return_value() == 4

def test_an_import_is_rehearsed(rehearse, tmp_path):
    assert rehearse(process_import, str(tmp_path / "done")).run().result == 4
"""

BESIDE_ASYNCIO = """
import asyncio
import pytest
from jobs import import_asynchronously, process_import

@pytest.mark.parametrize("function", [process_import, import_asynchronously])
async def test_an_import_survives(live_jobs, function, tmp_path):
    args = [str(tmp_path / "done")] if function is process_import else []
    job = live_jobs.enqueue(function, *args)
    live_jobs.stop(checkpoint=2)
    await asyncio.to_thread(live_jobs.run, job)
    assert job.return_value() == {process_import: 4, import_asynchronously: 6}[function]
    assert len(live_jobs.outputs) == 2

def test_an_async_import_is_rehearsed(everywhere, rehearse):
    everywhere(lambda: rehearse(import_asynchronously), lambda it: it.result == 6)

async def test_an_import_is_rehearsed_in_a_coroutine(rehearse, tmp_path):
    rehearsal = rehearse(process_import, str(tmp_path / "done"))
    rehearsal.interrupt(during="import_rows", cursor=2)
    assert rehearsal.run().result == 4

async def test_an_async_import_is_rehearsed_in_a_thread_beside_a_coroutine(rehearse):
    rehearsal = rehearse(import_asynchronously)
    rehearsal.interrupt(after="row 2")
    await asyncio.to_thread(rehearsal.run)
    assert (rehearsal.result, len(rehearsal.executions)) == (6, 2)
"""

FAILS = """
from jobs import process_import

def test_an_import_is_wrong(live_jobs, tmp_path):
    job = live_jobs.enqueue(process_import, str(tmp_path / "done"))
    live_jobs.run(job)
    assert job.return_value() == 5
"""

INTERRUPTED = """
import os, signal
from pathlib import Path
from jobs import interrupt

# As in a terminal: what a shell runs in the background ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)

def test_somebody_gives_up(live_jobs):
    Path("server").write_text(str(live_jobs.connection.info()["process_id"]))
    live_jobs.run(live_jobs.enqueue(interrupt, os.getpid(), os.path.abspath("workers")))
"""

NEEDS_NOTHING = """
import sys

def test_that_has_nothing_to_do_with_jobs():
    assert sys.modules.keys() >= {"rq_steps", "rq_steps.pytest_plugin"}
    loaded = {name for name in sys.modules if name.partition(".")[0] in ("rq", "redis", "rq_steps")}
    assert loaded == {"rq_steps", "rq_steps.pytest_plugin"}
"""


def run_tests(project: Path, test: str, *options: str) -> tuple[int, str]:
    """The exit status of a project's tests, and what they print."""
    (project / "src").mkdir()
    (project / "src" / "jobs.py").write_text(JOBS)
    (project / "test_project.py").write_text(test)
    (project / "pytest.ini").write_text("[pytest]\npythonpath = src\n")
    # With or without the plugin's entry point: it is loaded by name, and nothing else is.
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error"]
    run = subprocess.run(
        [*command, "-p", "rq_steps.pytest_plugin", *options],
        cwd=project,
        env=os.environ | alone,
        capture_output=True,
        text=True,
    )
    return run.returncode, run.stdout + run.stderr


def test_loading_the_plugin_loads_neither_rq_nor_redis(tmp_path: Path) -> None:
    status, printed = run_tests(tmp_path, NEEDS_NOTHING)
    assert status == pytest.ExitCode.OK, printed


def test_users_jobs_run_with_a_server_for_each_worker_of_xdist(tmp_path: Path) -> None:
    status, printed = run_tests(tmp_path, PASSES, "-p", "xdist", "-n", "2")
    assert status == pytest.ExitCode.OK, printed
    assert "2 passed" in printed


def test_users_jobs_are_rehearsed_in_memory(tmp_path: Path) -> None:
    status, printed = run_tests(tmp_path, IN_MEMORY)
    assert status == pytest.ExitCode.OK, printed
    assert "2 passed" in printed


def test_users_jobs_run_on_a_real_server_beside_fakeredis(tmp_path: Path) -> None:
    status, printed = run_tests(tmp_path, BESIDE_FAKEREDIS)
    assert status == pytest.ExitCode.OK, printed
    assert "2 passed" in printed


def test_users_jobs_run_beside_async_tests(tmp_path: Path) -> None:
    settings = ["-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function"]
    status, printed = run_tests(tmp_path, BESIDE_ASYNCIO, "-p", "asyncio", *settings)
    assert status == pytest.ExitCode.OK, printed
    assert "5 passed" in printed


def test_a_failing_test_shows_what_its_workers_printed(tmp_path: Path) -> None:
    status, printed = run_tests(tmp_path, FAILS)
    assert status == pytest.ExitCode.TESTS_FAILED, printed
    _, _, shown = printed.partition("Captured output of worker-1 teardown")
    assert "step 'import_rows' completed" in shown


def test_after_ctrl_c_nothing_is_left_running(tmp_path: Path) -> None:
    status, printed = run_tests(tmp_path, INTERRUPTED)
    assert status == pytest.ExitCode.INTERRUPTED, printed
    noted = [(tmp_path / name).read_text().split() for name in ("server", "workers")]
    pids = {int(pid) for each in noted for pid in each}
    assert len(pids) == 3
    assert pids.isdisjoint(living_processes())

"""The commands of the pages are run, or it is said why not; their files hold together."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job

from tests.docs import calls
from tests.docs.pages import PAGES, Block, Page, blocks
from tests.docs.project import STAND_INS, Project, load
from tests.docs.shown import (
    NOT_RUN,
    RUN,
    begins_with,
    commands,
    listed,
    parsed,
    programs,
    units,
    workers,
)
from tests.jobs.plain import double
from tests.rails.scene import work
from tests.workers import ROOT, WorkerProcess, wait_until

JOB_ID = "4ee9f3c8"
OF_A_UNIT = {
    "Unit": {"Description", "After", "Wants"},
    "Service": {
        "User",
        "WorkingDirectory",
        "Environment",
        "ExecStart",
        "KillMode",
        "TimeoutStopSec",
        "Restart",
        "RestartSec",
    },
    "Install": {"WantedBy"},
}
SHORTEST_TIME_TO_STOP = 60


@pytest.fixture
def environment(project: Project, redis_url: str) -> dict[str, str]:
    """That of a reader who has the examples, and a server."""
    paths = os.pathsep.join(map(str, [project.folder, ROOT, STAND_INS]))
    urls = {"RQ_REDIS_URL": redis_url, "REDIS_URL": redis_url}
    others = {"PYTHONPATH": paths, "PYTHONUNBUFFERED": "1", "SENTRY_DSN": "https://dsn"}
    return os.environ | urls | others


def words(line: str, environment: dict[str, str]) -> list[str]:
    """The command `rq` of this Python, with variables and the id of the job put in."""
    line = re.sub(r"\$(\w+)", lambda name: environment[name[1]], line.replace("JOB_ID", JOB_ID))
    program, *arguments = shlex.split(line)
    assert program == "rq", line
    return [sys.executable, "-m", "rq.cli", *arguments]


def test_every_command_is_run_or_it_is_said_why_not() -> None:
    for command in commands():
        known = [words for words in (*RUN, *NOT_RUN) if begins_with(command, words)]
        assert len(known) == 1, f"{command}: {known}"


def test_no_reason_is_given_for_a_command_that_is_not_there() -> None:
    assert [each for each in NOT_RUN if not commands(each)] == []


@pytest.fixture
def started(
    request: pytest.FixtureRequest, connection: Redis, environment: dict[str, str], tmp_path: Path
) -> Iterator[WorkerProcess]:
    log = tmp_path / "shown.log"
    worker = WorkerProcess("shown", words(request.param, environment), log, environment, tmp_path)
    yield worker
    worker.kill_tree()


@pytest.mark.parametrize("started", workers(), indirect=True)
def test_every_worker_does_the_jobs_of_its_queue(started: WorkerProcess, connection: Redis) -> None:
    job = Queue("imports", connection=connection).enqueue(double, 21)
    wait_until(lambda: job.is_finished, "the job was not done")
    assert started.running


@pytest.mark.parametrize("started", commands("rq worker"), indirect=True)
def test_every_worker_ends_when_it_is_asked(started: WorkerProcess, connection: Redis) -> None:
    job = Queue("imports", connection=connection).enqueue(double, 21)
    wait_until(lambda: job.is_finished, "the job was not done")
    started.terminate()
    assert started.wait() == 0, started.output


@pytest.fixture
def failed(connection: Redis, reader: None) -> Job:
    """A job in the queue of the pages, which has failed in its second step."""
    queue = Queue("imports", connection=connection)
    job = queue.enqueue(load("imports.py").process_import, 42, job_id=JOB_ID)
    calls.during("count_rows", 42, calls.stop)
    work(connection, "imports")
    calls.during("upsert", "row 0", calls.fail)
    work(connection, "imports")
    assert job.is_failed
    return job


@pytest.mark.parametrize("command", commands("rq requeue"))
def test_a_failed_job_is_requeued(failed: Job, command: str, environment: dict[str, str]) -> None:
    subprocess.run(words(command, environment), check=True, env=environment)
    assert failed.is_queued


@pytest.mark.parametrize("command", commands("redis-cli"))
def test_redis_knows_what_a_page_asks_it_for(failed: Job, connection: Redis, command: str) -> None:
    """There need not be a `redis-cli`: what it would send is sent."""
    _, *arguments = shlex.split(command.replace("JOB_ID", JOB_ID))
    answer = connection.execute_command(*arguments)  # type: ignore[no-untyped-call]  # of redis
    assert answer


@pytest.mark.parametrize("unit", units(), ids=str)
def test_a_unit_has_known_keys_and_time_to_stop(unit: Block) -> None:
    sections = parsed(unit)
    assert set(sections.sections()) == set(OF_A_UNIT)
    for name, known in OF_A_UNIT.items():
        assert set(sections[name]) <= known
    service = sections["Service"]
    assert service["KillMode"] == "mixed"
    assert int(service["TimeoutStopSec"]) >= SHORTEST_TIME_TO_STOP
    assert Path(service["ExecStart"].split()[0]).is_absolute()


@pytest.mark.parametrize("unit", units(), ids=str)
def test_systemd_has_nothing_to_say_against_a_unit(unit: Block, tmp_path: Path) -> None:
    assert unit.file
    path = tmp_path / Path(unit.file).name
    path.write_text(re.sub("ExecStart=\\S+", f"ExecStart={sys.executable}", unit.text))
    if shutil.which("systemd-analyze"):  # elsewhere the test above is all there is
        command = ["systemd-analyze", "verify", "--man=no", str(path)]
        run = subprocess.run(command, capture_output=True, text=True)
        assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("program", programs(), ids=str)
def test_supervisord_gives_time_to_stop(program: Block) -> None:
    section = parsed(program)["program:rq-worker"]
    assert section["stopsignal"] == "TERM"
    assert int(section["stopwaitsecs"]) >= SHORTEST_TIME_TO_STOP


@pytest.mark.parametrize("block", blocks("dockerfile"), ids=str)
def test_an_image_runs_its_worker_without_a_shell_in_between(block: Block) -> None:
    lines = [line for line in block.text.splitlines() if not line.startswith("#")]
    instructions = [line.split(maxsplit=1)[0] for line in lines]
    assert instructions == ["FROM", "WORKDIR", "COPY", "RUN", "CMD"]
    assert len(listed(block)) == 1


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_compose_and_kubernetes_give_time_to_stop(block: Block) -> None:
    pattern = r"(?:stop_grace_period|terminationGracePeriodSeconds): (\d+)s?$"
    (seconds,) = re.findall(pattern, block.text, re.MULTILINE)
    assert int(seconds) >= SHORTEST_TIME_TO_STOP
    assert len(listed(block)) == 1
    assert all(len(line) % 2 == len(line.lstrip(" -")) % 2 for line in block.text.splitlines())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_is_there(page: Page) -> None:
    (line,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"(?:`|\$ |[A-Z]=\S+ )make ([a-z-]+)", page.text)
    assert set(named) <= set(line.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_of_the_project_that_a_page_names_is_there(page: Page) -> None:
    names = re.findall(r"`((?:rq_steps|tests|examples|\.ci)/[^`]*)`", page.text)
    assert [name for name in names if not list(ROOT.glob(name))] == []


def test_the_readme_asks_for_what_the_package_asks_for() -> None:
    setup = (ROOT / "setup.cfg").read_text()
    (python,) = re.findall(r"^python_requires = >=(.*)$", setup, re.MULTILINE)
    needed = dict(re.findall(r"^    (rq|redis) >= (.*)$", setup, re.MULTILINE))
    asked = f"Python {python}, RQ {needed['rq']}, redis-py {needed['redis']}"
    assert asked in Page("README.md").text

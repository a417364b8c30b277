"""A short run as a part of all tests; and that a run that is stopped leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from rq_steps.parent_death import tied_to_this_process
from tests.chaos.experiment import Plan, run
from tests.chaos.strikes import KINDS
from tests.workers import ROOT, wait_until


def test_nothing_is_lost_whatever_is_killed_stopped_or_canceled(tmp_path: Path) -> None:
    plan = Plan(seed=2026, seconds=15, settle=40)
    verdict = run(plan, tmp_path)
    assert not verdict.problems, "\n".join([verdict.table, *verdict.problems])
    assert all(verdict.kinds[kind] for kind in KINDS), verdict.table


def test_ctrl_c_ends_workers_and_server_and_removes_the_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.chaos", "--seconds", "60", "--seed", "1"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    chaos = subprocess.Popen(
        tied_to_this_process(command), cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    wait_until(lambda: len(_living_in(tmp_path)) > 6, "the run has not begun")
    chaos.send_signal(signal.SIGINT)
    assert chaos.wait(timeout=30) == 128 + signal.SIGINT
    assert not _living_in(tmp_path)
    assert not list(tmp_path.iterdir())


def _living_in(folder: Path) -> list[str]:
    """The workers, their horses and the server: they run in folders of the run's."""
    found = []
    for process in psutil.process_iter():
        try:
            if folder in Path(process.cwd()).parents:
                found.append(process.name())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found

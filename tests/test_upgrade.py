"""rq_steps is upgraded in its place while a worker of the old one runs."""

from __future__ import annotations

import subprocess
import sys

import pytest

LUA = """
import pathlib, rq_steps.worker
names = [each.stem for each in pathlib.Path(rq_steps.worker.__file__).parent.glob("*.lua")]
pathlib.Path.read_text = lambda *_, **__: "-- of the new one"
from rq_steps.wire import source
found = [name for name in names if source(name) == "-- of the new one"]
assert names and not found, found
"""

PYTHON = """
import sys, rq_steps.worker
before = set(sys.modules)
from rq_steps import *
found = [name for name in set(sys.modules) - before if name.startswith("rq_steps.")]
assert not found, found
"""


@pytest.mark.parametrize("code", [LUA, PYTHON], ids=["scripts", "modules"])
def test_a_work_horse_uses_what_its_worker_was_started_with(code: str) -> None:
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr

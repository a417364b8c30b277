"""The pytest plugin of a run: names the workers under test, and leaves out the differences."""

from __future__ import annotations

import os
from importlib.metadata import version

import pytest
import rq

import stand_in
from differences import DIFFERENCES, IMPATIENT

TIMES_AS_LONG = 6


def pytest_configure() -> None:
    """RQ's tests empty databases: they must not meet anybody's own."""
    if not stand_in.installed:
        raise pytest.UsageError("the workers and the server to test with are not in place")


def pytest_report_header() -> str:
    classes = [getattr(rq, name) for name in stand_in.NAMES]
    shown = ", ".join(f"{each.__module__}.{each.__qualname__}" for each in classes)
    release = version("rq")
    return f"RQ {release}, workers: {shown}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ[stand_in.PACKAGE_VARIABLE] == stand_in.STOCK:
        return
    refuse_stale_names(config, {item.nodeid for item in items})
    left_out = [item for item in items if item.nodeid in DIFFERENCES]
    items[:] = [item for item in items if item.nodeid not in DIFFERENCES]
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture(autouse=True)
def patience(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some tests wait for longer than RQ has them wait."""
    if request.node.nodeid in IMPATIENT:
        sleep = request.module.sleep
        monkeypatch.setattr(request.module, "sleep", lambda seconds: sleep(TIMES_AS_LONG * seconds))


def refuse_stale_names(config: pytest.Config, collected: set[str]) -> None:
    """A name that stands for no test any more hides nothing, and says something untrue."""
    if any("::" in argument for argument in config.args):
        return
    files = {nodeid.split("::")[0] for nodeid in collected}
    named = (*DIFFERENCES, *IMPATIENT)
    known = {nodeid for nodeid in named if nodeid.split("::")[0] in files}
    if stale := sorted(known - collected):
        raise pytest.UsageError(f"RQ has no such tests: {', '.join(stale)}")

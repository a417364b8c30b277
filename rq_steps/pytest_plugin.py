"""The fixtures of `rq_steps.testing`. Until one is used, this loads nothing but pytest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rq_steps.server import PrivateServer
    from rq_steps.testing import Everywhere, LiveJobs, Rehearsal


@pytest.fixture
def rehearse() -> type[Rehearsal]:
    """`rq_steps.testing.Rehearsal`: a job that is performed in memory, and cut where you say."""
    from rq_steps.testing import Rehearsal

    return Rehearsal


@pytest.fixture
def everywhere() -> Everywhere:
    """`rq_steps.testing.everywhere`: a job is cut at every point where it can be."""
    from rq_steps.testing import everywhere

    return everywhere


@pytest.fixture(scope="session")
def _live_jobs_server() -> Iterator[PrivateServer]:
    """One for all tests of this process: with pytest-xdist, each of its workers has its own."""
    from rq_steps.server import PrivateServer

    with PrivateServer() as server:
        yield server


@pytest.fixture
def live_jobs(
    request: pytest.FixtureRequest, _live_jobs_server: PrivateServer
) -> Iterator[LiveJobs]:
    """Jobs on a private server, whose worker processes are stopped and killed where you say.

    See `rq_steps.testing.LiveJobs`. A test that fails shows what its workers have printed.
    """
    from rq_steps.testing import LiveJobs

    with LiveJobs(_live_jobs_server) as jobs:
        yield jobs
        for name, output in jobs.outputs.items():
            request.node.add_report_section("teardown", f"output of {name}", output)

from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest
from redis import Redis

from rq_steps.events import Event, subscribe

# Also where the plugin has not been installed; where it has, these come before its own.
from rq_steps.pytest_plugin import _live_jobs_server, everywhere, live_jobs, rehearse
from rq_steps.server import PrivateServer
from tests.workers import Workers

__all__ = ["_live_jobs_server", "everywhere", "live_jobs", "rehearse"]

# What these find is shown as in a test.
pytest.register_assert_rewrite("tests.unit.async_law", "tests.unit.law", "tests.unit.visits")

SERVERS = {"server", "_live_jobs_server"}
WORKERS = {"worker", "live_jobs"}

# No test is timed: other work may hold the machine up.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session")
def server() -> Iterator[PrivateServer]:
    """The server of all tests that leave it running; the others start one of their own."""
    with PrivateServer() as server:
        yield server


@pytest.fixture(scope="session")
def redis_url(server: PrivateServer) -> str:
    return server.url


@pytest.fixture
def connection(redis_url: str) -> Iterator[Redis]:
    """An empty database. Emptied afterwards too, for tests that use the server without this."""
    connection = Redis.from_url(redis_url)
    connection.flushall()
    yield connection
    connection.flushall()
    connection.close()


@pytest.fixture
def events() -> Iterator[list[Event]]:
    """What has happened to the jobs of this test."""
    seen: list[Event] = []
    unsubscribe = subscribe(seen.append)
    yield seen
    unsubscribe()


@pytest.fixture
def worker(connection: Redis, redis_url: str, tmp_path: Path) -> Iterator[Workers]:
    """Starts worker processes; none of them, nor any of their horses, outlives the test."""
    with Workers(redis_url, tmp_path) as workers:
        yield workers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & SERVERS:
            item.add_marker("server")
        if fixtures & WORKERS:
            item.add_marker("workers")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """However a test fails, it shows what its workers printed."""
    report = yield
    workers = getattr(item, "funcargs", {}).get("worker")
    if report.failed and isinstance(workers, Workers):
        report.sections.extend(workers.outputs())
    return report

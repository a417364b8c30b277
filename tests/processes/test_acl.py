"""Workers that may not do everything: as a user of Redis' access control list."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from redis import Redis
from rq import Queue

from rq_steps.server import PrivateServer
from tests.processes import jobs
from tests.processes.course import OURS, Course
from tests.workers import Workers, wait_until


@pytest.fixture
def own_server() -> Iterator[PrivateServer]:
    with PrivateServer() as server:
        yield server


def url_of_user(server: PrivateServer, *rules: str) -> str:
    """Of one who may use RQ's keys and channels, and these commands."""
    with Redis.from_url(server.url) as connection:
        # Without `resetchannels`, Redis 6.2 allows all of them, and takes no pattern beside that.
        keys = ["~rq:*", *(f"~{key}" for key in KEYS)]
        rights = ["resetchannels", "&rq:*", *keys, *rules]
        connection.execute_command("ACL", "SETUSER", "app", "on", ">pw", *rights)
    return server.url.replace("redis://", "redis://app:pw@")


KEYS = [jobs.VISITED, jobs.HOLDS, jobs.AT, jobs.GO]
"""What the jobs here use for themselves."""


@pytest.mark.parametrize("worker_class", OURS)
@pytest.mark.parametrize("function", [jobs.import_rows, jobs.plain])
def test_jobs_are_done_and_interrupted_where_no_dangerous_command_is_allowed(
    worker: Workers, own_server: PrivateServer, worker_class: str, function: Callable[[int], object]
) -> None:
    """Without INFO, RQ takes the server for an old one, and its way of taking a job is another."""
    url = url_of_user(own_server, "+@all", "-@dangerous")
    with Redis.from_url(own_server.url) as connection:
        job = Queue(connection=connection).enqueue(function, 2)
        course = Course(connection)
        course.hold_at(0)
        first = worker(worker_class=worker_class, url=url)
        course.wait_at(0)
        first.terminate()
        course.go_on()
        course.hold_nowhere()
        assert first.wait() == 0
        worker(worker_class=worker_class, url=url)
        wait_until(lambda: job.get_status() == "finished", "the job has not finished")
        assert course.visited[:2] == ["0", "1"]


def test_an_idle_worker_that_may_not_end_its_wait_leaves_when_that_is_over(
    worker: Workers, own_server: PrivateServer
) -> None:
    # Redis 6.2 takes no subcommand away: those that RQ calls are given back.
    given_back = [f"+client|{name}" for name in ("setname", "list", "info")]
    url = url_of_user(own_server, "+@all", "-client", *given_back)
    idle = worker(url=url)
    with Redis.from_url(own_server.url) as connection:
        job = Queue(connection=connection).enqueue(jobs.plain, 1)
        wait_until(lambda: job.get_status() == "finished", "the job has not finished")
    idle.terminate()
    assert idle.wait() == 0

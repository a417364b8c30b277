from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue

from tests.crash.jobs import Scene
from tests.redis.scene import arranged, visits
from tests.workers import WorkerProcess, Workers

LEASE = 1.0
"""Seconds; by default it is 25."""


@pytest.fixture
def queue(connection: Redis) -> Queue:
    return Queue(connection=connection)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    folder = tmp_path / "scene"
    folder.mkdir()
    return Scene(folder)


@pytest.fixture(autouse=True)
def everything_arranged_happens() -> Iterator[None]:
    visits.clear()
    arranged.clear()
    yield
    assert not arranged, "a job has never come there"


@pytest.fixture
def quick_worker(worker: Workers) -> Callable[..., WorkerProcess]:
    """Starts workers that soon take a job for lost."""

    def start(*queues: str, env: dict[str, str] | None = None, **options: object) -> WorkerProcess:
        return worker(*queues, env={"RQ_STEPS_LEASE": str(LEASE), **(env or {})}, **options)  # type: ignore[arg-type]  # as they are

    return start

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue

from tests.crash.jobs import Scene
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


@pytest.fixture
def quick_worker(worker: Workers) -> Callable[..., WorkerProcess]:
    """Starts workers that soon take a job for lost."""

    def start(*queues: str, env: dict[str, str] | None = None, **options: object) -> WorkerProcess:
        return worker(*queues, env={"RQ_STEPS_LEASE": str(LEASE), **(env or {})}, **options)  # type: ignore[arg-type]  # as they are

    return start

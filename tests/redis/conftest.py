from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis
from rq import Queue

from tests.redis import scene


@pytest.fixture
def queue(connection: Redis) -> Queue:
    return Queue(connection=connection)


@pytest.fixture(autouse=True)
def everything_arranged_happens() -> Iterator[None]:
    scene.visits.clear()
    scene.arranged.clear()
    yield
    assert not scene.arranged, "a job has never come there"

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis
from rq import Queue

from rq_steps.events import Event, subscribe
from tests.redis import scene


@pytest.fixture
def queue(connection: Redis) -> Queue:
    return Queue(connection=connection)


@pytest.fixture
def events() -> Iterator[list[Event]]:
    """What has happened to the jobs of this test."""
    seen: list[Event] = []
    unsubscribe = subscribe(seen.append)
    yield seen
    unsubscribe()


@pytest.fixture(autouse=True)
def everything_arranged_happens() -> Iterator[None]:
    scene.visits.clear()
    scene.arranged.clear()
    yield
    assert not scene.arranged, "a job has never come there"

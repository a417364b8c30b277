from __future__ import annotations

import pytest
from redis import Redis
from rq import Queue

from tests.processes.course import Course


@pytest.fixture
def course(connection: Redis) -> Course:
    return Course(connection)


@pytest.fixture
def queue(connection: Redis) -> Queue:
    return Queue(connection=connection)

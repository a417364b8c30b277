from __future__ import annotations

import pytest
from redis import Redis
from rq import Queue

from tests.processes.course import RQ_3, Course


@pytest.fixture
def course(connection: Redis) -> Course:
    return Course(connection)


@pytest.fixture
def queue(connection: Redis) -> Queue:
    return Queue(connection=connection)


collect_ignore = [] if RQ_3 else ["test_rq_3.py"]

import logging
from collections.abc import Iterator

import pytest
from redis import Redis

from tests.docs.calls import recording
from tests.docs.project import Project


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def reader(project: Project, connection: Redis, redis_url: str) -> Iterator[None]:
    """A reader who has copied the examples, and has a server."""
    logger = logging.getLogger("rq_steps")
    level = logger.level
    with project.importable(redis_url), recording():
        yield
    logger.setLevel(level)

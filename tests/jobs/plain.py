"""Jobs without steps."""

import os

from rq import get_current_job


def double(number: int) -> int:
    return 2 * number


def hold(started: str, release: str) -> None:
    """Say under one key that it runs, and go on when there is something under the other."""
    job = get_current_job()
    assert job is not None
    job.connection.lpush(started, os.getpid())
    job.connection.blpop([release], timeout=60)

"""A process that looks for lost jobs, as a worker does: `python -m tests.crash.reaper <url>`."""

from __future__ import annotations

import sys

from redis import Redis
from rq import Queue

from rq_steps.lease import lease_key
from rq_steps.recovery import recover_lost

READY = "reapers"
GO = "reap"
FOUND = "found"


def main(url: str) -> None:
    connection = Redis.from_url(url)
    queue = Queue(connection=connection)
    connection.lpush(READY, 1)
    connection.blpop([GO])
    found = 0
    while connection.zcard(lease_key(queue.name, connection)):
        found += recover_lost([queue])
    connection.lpush(FOUND, found)


if __name__ == "__main__":
    main(sys.argv[1])

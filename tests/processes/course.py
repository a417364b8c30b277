"""The test's side of `jobs.visit`: where a job waits, when it goes on, and where it has been."""

from __future__ import annotations

import redis
from redis import Redis
from rq.job import Job
from rq.utils import as_text
from rq.version import VERSION

from tests.processes import jobs
from tests.workers import wait_until

RQ_3 = int(VERSION.split(".")[0]) >= 3

FORKING = ["rq_steps.Worker", *(["rq_steps.SpawnWorker"] if RQ_3 else [])]
OURS = [*FORKING, "rq_steps.SimpleWorker"]
OVER_OTHERS = [
    "tests.processes.classes.OverTheirs",
    "tests.processes.classes.OverHeroku",
    *(["tests.processes.classes.OverSpawning"] if RQ_3 else []),
]
# That of RQ 2.8 begins no job over redis-py 8: it prints the connection's settings into the code of
# its work-horse.
STOCK_SPAWNS = RQ_3 or redis.VERSION < (8,)
STOCK_FORKING = ["rq.Worker", *(["rq.worker.SpawnWorker"] if STOCK_SPAWNS else [])]
STOCK = [*STOCK_FORKING, "rq.SimpleWorker"]


class Course:
    """What the job of a test visits, in Redis."""

    def __init__(self, connection: Redis) -> None:
        self._connection = connection

    def hold_at(self, *places: object) -> None:
        """Have the job wait at these places."""
        self._connection.sadd(jobs.HOLDS, *map(str, places))

    def hold_nowhere(self) -> None:
        """Have it wait no more."""
        self._connection.delete(jobs.HOLDS)

    def wait_at(self, place: object) -> int:
        """Wait until the job is there. Returns the process in which it runs."""

        def there() -> int:
            pid, _, at = as_text(self._connection.lindex(jobs.AT, -1) or "0 ").partition(" ")
            return int(pid) if at == str(place) else 0

        return wait_until(there, f"the job has not come to {place!r}")

    def go_on(self) -> None:
        """Let the job that waits go on."""
        self._connection.rpush(jobs.GO, "go")

    @property
    def visited(self) -> list[str]:
        """All places in order."""
        return [place for _, place in self._visits()]

    def visited_by(self, worker: str) -> list[str]:
        """Those to which a worker of this name has come."""
        return [place for name, place in self._visits() if name == worker]

    def _visits(self) -> list[tuple[str, str]]:
        visits = self._connection.lrange(jobs.VISITED, 0, -1)
        pairs = [as_text(visit).partition(" ") for visit in visits]
        return [(name, place) for name, _, place in pairs]


def wait_until_told_to_stop(job: Job) -> None:
    """Wait until the worker that runs the job has noted that it is to shut down."""
    job.refresh()
    key = f"rq:worker:{job.worker_name}"
    wait_until(
        lambda: job.connection.hexists(key, "shutdown_requested_date"),
        f"worker {job.worker_name} does not know that it is to shut down",
    )


def wait_until_finished(job: Job) -> None:
    wait_until(lambda: job.get_status() == "finished", f"job {job.id} has not finished")

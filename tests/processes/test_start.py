"""SIGTERM at every moment between the dequeue of a job and its first step."""

from __future__ import annotations

import pytest
from redis import Redis
from rq import Queue

from tests.processes import jobs
from tests.processes.classes import MOMENT
from tests.processes.course import RQ_3, Course
from tests.workers import Workers

CLASSES = ["Told", *(["ToldSpawning"] if RQ_3 else [])]
TO_THE_WORKER = ["preparing", "busy", "forking", "forked", "unprepared, and its worker"]
TO_THE_HORSE = ["unprepared", "prepared"]
ALL = ["0", "1", "2", "report"]


@pytest.mark.parametrize("moment", TO_THE_WORKER)
@pytest.mark.parametrize("name", CLASSES)
def test_a_worker_told_to_stop_while_a_job_begins_loses_nothing(
    name: str, moment: str, worker: Workers, queue: Queue, connection: Redis, course: Course
) -> None:
    job = queue.enqueue(jobs.import_rows, 3)
    told = worker(worker_class=f"tests.processes.classes.{name}", env={MOMENT: moment})
    assert told.wait() == 0
    assert connection.get("sigterm sent") == moment.encode()
    assert job.get_status() == "queued"
    assert course.visited == ALL[:1]
    assert worker(burst=True).wait() == 0
    assert job.return_value() == "3 rows"
    assert course.visited == ALL


@pytest.mark.parametrize("moment", TO_THE_HORSE)
@pytest.mark.parametrize("name", CLASSES)
def test_a_horse_told_to_stop_before_its_job_begins_loses_nothing(
    name: str, moment: str, worker: Workers, queue: Queue, connection: Redis, course: Course
) -> None:
    job = queue.enqueue(jobs.import_rows, 3)
    told = worker(worker_class=f"tests.processes.classes.{name}", env={MOMENT: moment}, burst=True)
    assert told.wait() == 0
    assert connection.get("sigterm sent") == moment.encode()
    assert job.return_value() == "3 rows"
    assert job.get_meta()["rq_steps"]["executions"] == 2
    assert course.visited == ALL

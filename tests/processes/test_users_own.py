"""A job's own processes and signal handlers."""

from __future__ import annotations

import pytest
from rq import Queue

from rq_steps import ContinuableWorkerMixin
from tests.processes import users_own
from tests.processes.classes import TheirWorker
from tests.processes.course import Course, wait_until_told_to_stop
from tests.redis.scene import completed, cursor, head
from tests.workers import Workers

REFUSED = "from another process than its continuable's"


def test_steps_are_refused_in_a_forked_process_and_the_record_is_its_parents(
    worker: Workers, queue: Queue, course: Course
) -> None:
    job = queue.enqueue(users_own.fork)
    assert worker().wait() == 0
    assert course.visited == [
        f"call_a_step: InvalidStepError: step 'another_step' was called {REFUSED}",
        *(
            f"{action}: InvalidStepError: a Step was used {REFUSED}"
            for action in ("save", "set_cursor", "interrupt")
        ),
    ]
    assert job.get_status() == "queued"
    assert cursor(job) == 2
    assert worker(burst=True).wait() == 0
    assert job.return_value() == 2
    assert completed(job) == [{"name": "count_beside_children", "result": 2}]


def test_sigterm_to_a_process_that_a_job_has_forked_does_not_stop_its_simple_worker(
    worker: Workers, queue: Queue, course: Course
) -> None:
    jobs = [queue.enqueue(users_own.end_a_child_and_go_on, 3) for _ in range(2)]
    assert worker(worker_class="rq_steps.SimpleWorker", burst=True).wait() == 0
    assert [job.return_value() for job in jobs] == [3, 3]
    assert [head(job)["executions"] for job in jobs] == [1, 1]
    assert course.visited == ["0", "1", "2"] * 2


def test_the_mixin_is_refused_behind_rqs_own_worker() -> None:
    """Its methods would be hidden, and the worker a stock one that nobody takes for one."""
    with pytest.raises(TypeError) as told:
        type("Mine", (TheirWorker, ContinuableWorkerMixin), {})
    assert str(told.value) == (
        "Mine: ContinuableWorkerMixin comes after RQ's Worker: write it first, "
        "as in class Mine(ContinuableWorkerMixin, TheirWorker)"
    )


# A spawned work-horse shares no memory: its worker cannot know that it runs a plain job.
@pytest.mark.parametrize(
    "worker_class", ["rq_steps.Worker", "tests.processes.classes.OverTheirs", "rq.Worker"]
)
def test_a_plain_job_is_sent_no_sigterm_when_its_worker_is_to_stop(
    worker_class: str, worker: Workers, queue: Queue, course: Course
) -> None:
    job = queue.enqueue(users_own.exit_on_sigterm)
    course.hold_at("prepared")
    running = worker(worker_class=worker_class)
    course.wait_at("prepared")
    running.terminate()
    wait_until_told_to_stop(job)
    course.go_on()
    assert running.wait() == 0
    assert job.return_value() == "done"

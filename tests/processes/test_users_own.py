"""A job's own processes and signal handlers."""

from __future__ import annotations

import pytest
from rq import Queue
from rq.job import Job
from rq.worker import RoundRobinWorker

from rq_steps import ContinuableWorkerMixin
from tests.processes import users_own
from tests.processes.classes import TheirWorker
from tests.processes.course import OURS, Course, wait_until_told_to_stop
from tests.processes.jobs import plain
from tests.redis.scene import completed, cursor, failure, head
from tests.workers import Workers, wait_until

REFUSED = "from another process than its continuable's"


class Quiet:
    """A mixin that is no worker by itself."""


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


@pytest.mark.parametrize("worker_class", ["rq_steps.Worker", "rq_steps.SimpleWorker", "rq.Worker"])
@pytest.mark.parametrize(("how", "status"), [("exit", 0), ("raise", 1), ("return", 0)])
def test_a_forked_process_that_leaves_the_job_as_its_parent_would_does_not_end_it(
    worker: Workers, queue: Queue, course: Course, worker_class: str, how: str, status: int
) -> None:
    job = queue.enqueue(users_own.fork_and_forget_to_exit, 3, how)
    worker(worker_class=worker_class)
    wait_until(lambda: job.get_status() in ("finished", "failed"), "the job does not end")
    assert job.return_value() == [status] * 3
    assert head(job)["executions"] == 1
    assert course.visited == ["0", "1", "2"]


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


def test_the_refusal_names_every_base_in_an_order_that_works() -> None:
    with pytest.raises(TypeError) as told:
        type("Mine", (Quiet, RoundRobinWorker, ContinuableWorkerMixin), {})
    advice = "class Mine(ContinuableWorkerMixin, Quiet, RoundRobinWorker)"
    assert str(told.value).endswith(f"write it first, as in {advice}")
    type("Mine", (ContinuableWorkerMixin, Quiet, RoundRobinWorker), {})


# A spawned work-horse shares no memory: its worker cannot know that it runs a plain job.
@pytest.mark.parametrize(
    "worker_class", ["rq_steps.Worker", "tests.processes.classes.OverTheirs", "rq.Worker"]
)
def test_a_plain_job_is_sent_no_sigterm_when_its_worker_is_to_stop(
    worker_class: str, worker: Workers, queue: Queue, course: Course
) -> None:
    job = queue.enqueue(users_own.exit_on_sigterm)
    stop_at("prepared", job, worker, course, worker_class)
    assert job.return_value() == "done"


def test_neither_is_one_that_follows_a_continuable_whose_work_horse_was_killed(
    worker: Workers, queue: Queue, course: Course
) -> None:
    """Which could not say that it listens no more."""
    dying = queue.enqueue(users_own.die)
    job = queue.enqueue(users_own.exit_on_sigterm)
    stop_at("prepared", job, worker, course)
    assert dying.get_status() == "failed"
    assert job.return_value() == "done"


def stop_at(
    place: str, job: Job, worker: Workers, course: Course, worker_class: str = "rq_steps.Worker"
) -> None:
    """A worker is told to stop when its job is there; then the job comes to its end."""
    course.hold_at(place)
    running = worker(worker_class=worker_class)
    course.wait_at(place)
    running.terminate()
    wait_until_told_to_stop(job)
    course.go_on()
    assert running.wait() == 0


@pytest.mark.parametrize("worker_class", OURS)
def test_a_job_whose_module_exits_when_it_is_imported_fails_as_with_rq(
    worker_class: str, worker: Workers, queue: Queue, course: Course
) -> None:
    """And takes no worker along."""
    exiting = queue.enqueue("tests.processes.exiting.function")
    next_one = queue.enqueue(plain, 1)
    assert worker(worker_class=worker_class, burst=True).wait() == 0
    assert failure(exiting) == "SystemExit: to be run, and not imported"
    assert next_one.return_value() == 1

"""The harness for worker processes, by itself: stock workers and plain jobs."""

import contextlib
import signal
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job

from tests.conftest import pytest_runtest_makereport
from tests.jobs.plain import double, hold
from tests.workers import WorkerProcess, Workers, wait_until

STOCK = "rq.Worker"


def held_job(connection: Redis) -> Job:
    return Queue(connection=connection).enqueue(hold, "started", "release")


def wait_for_start(connection: Redis) -> int:
    """The process in which the held job runs."""
    return wait_until(lambda: int(connection.lindex("started", 0) or 0), "the job has not begun")


def test_a_burst_worker_does_the_job_and_ends(worker: Workers, connection: Redis) -> None:
    job = Queue("numbers", connection=connection).enqueue(double, 21)
    assert worker("numbers", worker_class=STOCK, burst=True).wait() == 0
    assert job.return_value() == 42


def test_a_worker_without_queues_works_for_the_default_one(
    worker: Workers, connection: Redis
) -> None:
    job = Queue(connection=connection).enqueue(double, 21)
    worker(worker_class=STOCK, burst=True).wait()
    assert job.is_finished


def test_a_worker_listens_until_it_is_terminated(worker: Workers, connection: Redis) -> None:
    running = worker(worker_class=STOCK)
    running.wait_until_listening()
    # RQ's own worker loses a request that comes while it logs what it cleans before that.
    wait_until(lambda: connection.info("clients")["blocked_clients"], "it waits for no job")
    assert running.running
    running.terminate()
    assert running.wait() == 0
    assert not running.running


def test_the_horse_is_the_process_that_runs_the_job(worker: Workers, connection: Redis) -> None:
    held_job(connection)
    running = worker(worker_class=STOCK)
    assert running.horse() == wait_for_start(connection)
    assert sorted(running.processes) == sorted([running.pid, running.horse()])


def test_a_terminated_worker_lets_its_horse_finish(worker: Workers, connection: Redis) -> None:
    job = held_job(connection)
    running = worker(worker_class=STOCK)
    wait_for_start(connection)
    running.terminate()
    running.wait_for_output("warm shut down requested")
    connection.lpush("release", "go")
    assert running.wait() == 0
    assert job.is_finished


def test_terminating_the_tree_reaches_the_horse(worker: Workers, connection: Redis) -> None:
    job = held_job(connection)
    running = worker(worker_class=STOCK)
    wait_for_start(connection)
    running.terminate_tree()
    assert running.wait() == 0
    assert job.is_failed


def test_a_killed_horse_leaves_its_worker_running(worker: Workers, connection: Redis) -> None:
    job = held_job(connection)
    running = worker(worker_class=STOCK)
    wait_for_start(connection)
    running.kill_horse()
    wait_until(lambda: job.is_failed, "the job did not fail")
    assert running.running


def test_a_killed_worker_leaves_its_horse_running(worker: Workers, connection: Redis) -> None:
    job = held_job(connection)
    running = worker(worker_class=STOCK)
    horse = wait_for_start(connection)
    running.kill()
    assert running.wait() == -signal.SIGKILL
    assert running.processes == running.horses == [horse]
    connection.lpush("release", "go")
    wait_until(lambda: job.is_finished, "the horse did not finish")


def test_nothing_outlives_the_test(connection: Redis, redis_url: str, tmp_path: Path) -> None:
    held_job(connection)
    with Workers(redis_url, tmp_path) as workers:
        running = workers(worker_class=STOCK, args=["--with-scheduler"])
        wait_for_start(connection)
        scheduler = wait_until(
            lambda: set(running.processes) - {running.pid, *running.horses}, "no scheduler"
        )
        running.kill()
        assert set(running.processes) > scheduler
    assert running.processes == []


def test_a_pool_has_workers_and_horses(worker: Workers, connection: Redis) -> None:
    job = held_job(connection)
    pool = worker.pool(worker_class=STOCK, size=2)
    horse = wait_for_start(connection)
    assert pool.horses == [horse]
    wait_until(lambda: pool.output.count("Listening on default") == 2, "no two workers")
    assert {horse, pool.pid} < set(pool.processes)
    connection.lpush("release", "go")
    wait_until(lambda: job.is_finished, "the pool did not do the job")
    pool.terminate()
    assert pool.wait() == 0
    assert pool.processes == []


def test_a_worker_takes_further_arguments_and_variables(worker: Workers, connection: Redis) -> None:
    Queue(connection=connection).enqueue("os.getenv", "COLOUR", job_id="colour")
    worker(worker_class=STOCK, burst=True, args=["--max-jobs", "1"], env={"COLOUR": "red"}).wait()
    job = Job.fetch("colour", connection=connection)
    assert job.return_value() == "red"


def test_waiting_returns_what_the_condition_returned() -> None:
    answers = iter([None, "", "here"])
    assert wait_until(lambda: next(answers), "never here") == "here"


def test_waiting_in_vain_fails_with_the_message() -> None:
    with pytest.raises(pytest.fail.Exception, match="never here"):
        wait_until(lambda: False, "never here", deadline=0)


def test_waiting_for_the_output_of_a_worker_that_has_ended_fails_at_once(worker: Workers) -> None:
    ended: WorkerProcess = worker(worker_class="rq.no.such.Worker")
    with pytest.raises(AssertionError, match="worker-1 ended without printing 'Listening on '"):
        ended.wait_until_listening()


def test_a_failing_test_shows_what_its_workers_printed(
    worker: Workers, request: pytest.FixtureRequest
) -> None:
    worker(worker_class=STOCK, burst=True).wait()
    shown = report_of_failure(request.node)
    assert [title for title, _ in shown] == ["output of worker-1"]
    assert "Listening on default" in shown[0][1]


def report_of_failure(item: pytest.Item) -> list[tuple[str, str]]:
    def fail() -> None:
        pytest.fail("as it happens")

    call = pytest.CallInfo.from_call(fail, "call")
    report = pytest.TestReport.from_item_and_call(item, call)
    hook = pytest_runtest_makereport(item)
    next(hook)
    with contextlib.suppress(StopIteration):
        hook.send(report)
    return report.sections

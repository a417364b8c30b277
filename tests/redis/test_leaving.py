"""How an execution leaves through user code, and what decorators make of what it returns."""

from __future__ import annotations

import ctypes
import functools
import gc
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from multiprocessing import get_context
from typing import Any, cast

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rq import Callback, Queue, get_current_job
from rq.exceptions import StopRequested
from rq.job import Job
from rq.worker import BaseWorker
from rq.worker_pool import WorkerPool

import rq_steps
from rq_steps import Step, continuable, idle, step
from rq_steps.unbegun import put_back_unbegun
from tests.redis.scene import (
    BEFORE_PUTTING_BACK,
    StockWorker,
    Worker,
    another_copy,
    cursor,
    fail_at,
    failure,
    import_rows,
    once_at,
    signal_handlers_put_back,
    stop,
    visit,
    visits,
    work,
)
from tests.workers import wait_until

PR_GET_PDEATHSIG = 2

# A decorator over @continuable


def in_an_envelope(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def import_rows_in_an_envelope(*args: Any) -> Any:
        return {"result": function(*args)}

    return _as_of_this_module(import_rows_in_an_envelope)


def in_capitals(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def import_rows_in_capitals(*args: Any) -> Any:
        return function(*args).upper()

    return _as_of_this_module(import_rows_in_capitals)


def _as_of_this_module(function: Callable[..., Any]) -> Callable[..., Any]:
    function.__module__ = __name__
    function.__name__ = function.__qualname__ = function.__code__.co_name
    return function


import_rows_in_an_envelope = in_an_envelope(import_rows)
import_rows_in_capitals = in_capitals(import_rows)


def note_success(job: Job, connection: Redis, result: Any) -> None:
    visit("success")


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (import_rows_in_an_envelope, {"result": "4 rows"}),
        (import_rows_in_capitals, "4 ROWS"),
    ],
)
def test_an_interrupted_job_is_put_back_whatever_a_decorator_makes_of_what_it_returns(
    connection: Redis,
    queue: Queue,
    caplog: pytest.LogCaptureFixture,
    function: Callable[..., Any],
    expected: object,
) -> None:
    job = queue.enqueue(function, 4, on_success=Callback(note_success))
    once_at(2, stop)
    work(connection)
    assert queue.job_ids == [job.id]
    assert job.get_status() == "queued"
    assert job.latest_result() is None
    [line] = [line for line in caplog.records if line.levelno >= logging.ERROR]
    assert line.getMessage() == (
        f"Job {job.id}: interrupted, but a decorator over @continuable made something else of it: "
        "put that decorator below @continuable"
    )
    work(connection)
    assert job.return_value() == expected
    assert visits == [0, 1, 2, 3, "report", "success"]


def test_a_plain_job_after_an_interrupted_one_is_not_taken_for_it(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_rows, 4)
    fail_at(2)
    plain = queue.enqueue("builtins.abs", -7)
    work(connection, executions=2)
    assert job.get_status() == "queued"
    assert plain.return_value() == 7


# What is raised over the Interrupt


@step
def rows_with_a_clean_up(step: Step) -> None:
    try:
        for row in step.each(range(3)):
            visit(row)
    finally:
        visit("clean up")


@continuable
def import_with_a_clean_up() -> None:
    rows_with_a_clean_up()


def test_an_error_that_is_raised_while_the_job_leaves_is_logged_with_its_traceback(
    connection: Redis, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    job = queue.enqueue(import_with_a_clean_up)
    error = RuntimeError("nothing to clean up")
    once_at(1, stop)
    fail_at("clean up", error)
    work(connection)
    assert job.get_status() == "queued"
    assert cursor(job) == 2
    [line] = [line for line in caplog.records if line.levelno >= logging.WARNING]
    assert line.getMessage() == f"Job {job.id}: raised while it was leaving"
    assert line.exc_info is not None
    assert line.exc_info[1] is error


def test_of_an_interrupt_that_leaves_undisturbed_no_traceback_is_logged(
    connection: Redis, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    job = queue.enqueue(import_with_a_clean_up)
    once_at(1, stop)
    work(connection)
    assert job.get_status() == "queued"
    assert not [line for line in caplog.records if line.exc_info]


# What the frames of user code hold


class ForkingWorker(rq_steps.Worker):
    """Takes no commands."""

    def subscribe(self) -> None:
        pass

    def unsubscribe(self) -> None:
        pass


def rows_of_a_file(job: Job) -> Iterator[int]:
    try:
        yield from range(3)
    finally:
        job.connection.rpush("done", "closed")


def fail() -> None:
    raise RuntimeError("out of order")


@step
def read_rows(step: Step, how: Callable[[], None]) -> None:
    job = get_current_job()
    assert job is not None
    for row in step.each(rows_of_a_file(job)):
        job.connection.rpush("done", row)
        if row == 1:
            how()


@continuable(error_wait=60)
def read(how: Callable[[], None]) -> None:
    read_rows(how)


@continuable(save_every=0, resume_errors=False)
def read_saving_all(how: Callable[[], None]) -> None:
    read_rows(how)


@pytest.fixture
def no_collection() -> Iterator[None]:
    """The garbage collector may not come in time."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("worker_class", [ForkingWorker, Worker])
@pytest.mark.parametrize("function", [read, read_saving_all])
@pytest.mark.parametrize("how", [stop, fail])
def test_a_generator_of_the_users_is_closed_when_the_job_leaves(
    connection: Redis,
    queue: Queue,
    how: Callable[[], None],
    function: Callable[..., None],
    worker_class: type[BaseWorker],
    no_collection: None,
) -> None:
    """A work-horse ends without any clean-up of Python's own."""
    queue.enqueue(function, how)
    work(connection, executions=1, worker_class=worker_class)
    assert connection.lrange("done", 0, -1) == [b"0", b"1", b"closed"]


# A stock worker tells nobody that it stops


seen: list[bool] = []


@step
def an_item_that_takes_long(step: Step) -> None:
    seen.append(step.stopping)
    visit("in it")
    seen.append(wait_until(lambda: step.stopping, "the step has not seen it"))


@continuable(save_every=3600)
def take_long() -> None:
    an_item_that_takes_long()


@pytest.mark.parametrize("worker_class", [Worker, StockWorker])
def test_a_step_sees_in_the_middle_of_an_item_that_its_worker_is_stopping(
    connection: Redis, queue: Queue, worker_class: type[BaseWorker]
) -> None:
    seen.clear()
    job = queue.enqueue(take_long)
    once_at("in it", stop)
    work(connection, worker_class=worker_class)
    assert another_copy(job).is_finished
    assert seen == [False, True]


@step
def rows_saved_by_hand(step: Step) -> None:
    for row in step.each(range(10)):
        visit(row)
        step.save()


@continuable(save_every=3600)
def save_by_hand() -> None:
    rows_saved_by_hand()


@pytest.mark.parametrize("worker_class", [Worker, StockWorker])
def test_a_job_leaves_behind_a_save_by_hand_that_found_its_worker_stopping(
    connection: Redis, queue: Queue, worker_class: type[BaseWorker]
) -> None:
    job = queue.enqueue(save_by_hand)
    once_at(4, stop)
    work(connection, worker_class=worker_class, executions=1)
    assert visits == [0, 1, 2, 3, 4]
    assert cursor(job) == 5


# A request that comes in the middle of a command to Redis


class LockThatNobodyTakesTwice:
    """As connection pools have before redis-py 6.1.1, but that it does not wait for ever."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        assert self._lock.acquire(timeout=5), "waits for itself"

    def __exit__(self, *_error: object) -> None:
        self._lock.release()


def stop_while_a_connection_is_taken(pool: Any) -> None:
    usual, pool._lock = pool._lock, LockThatNobodyTakesTwice()
    with pool._lock:
        stop()
    pool._lock = usual


def test_a_worker_that_is_asked_while_it_takes_a_connection_leaves(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_rows, 10)
    worker = Worker([queue], connection=connection)
    once_at(4, lambda: stop_while_a_connection_is_taken(connection.connection_pool))
    work_off(worker)
    assert visits == [0, 1, 2, 3, 4]
    assert queue.job_ids == [job.id]


def test_a_worker_has_said_that_it_is_asked_before_it_leaves(
    connection: Redis, queue: Queue
) -> None:
    leaves, course = threading.Event(), list[str]()

    class SaysItLate(Worker):
        def handle_warm_shutdown_request(self) -> None:
            super().handle_warm_shutdown_request()
            self._errands.send(self.say)

        def say(self) -> None:
            leaves.wait()
            course.append("said")

        def teardown(self) -> None:
            leaves.set()
            super().teardown()

        def register_death(self) -> None:
            course.append("left")
            super().register_death()  # type: ignore[no-untyped-call]  # of RQ

    queue.enqueue(import_rows, 10)
    once_at(4, stop)
    worker = SaysItLate([queue], connection=connection)
    work_off(worker)
    assert course == ["said", "left"]
    assert connection.hexists(worker.key, "shutdown_requested_date")


# A request that comes in the middle of a line of the log


class HandlerThatNobodyEntersTwice(logging.Handler):
    """As those are that put lines into a `queue.Queue`."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = LockThatNobodyTakesTwice()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        with self.inner:
            self.lines.append(record.getMessage())


@pytest.fixture
def handler() -> Iterator[HandlerThatNobodyEntersTwice]:
    handler = HandlerThatNobodyEntersTwice()
    log = logging.getLogger("rq.worker")
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)


def test_a_worker_that_is_asked_while_it_writes_a_line_leaves(
    connection: Redis, queue: Queue, handler: HandlerThatNobodyEntersTwice
) -> None:
    def stop_in_a_line() -> None:
        with handler.inner:
            stop()

    job = queue.enqueue(import_rows, 10)
    once_at(4, stop_in_a_line)
    work_off(Worker([queue], connection=connection))
    assert visits == [0, 1, 2, 3, 4]
    assert queue.job_ids == [job.id]
    assert any("warm shut down requested" in line for line in handler.lines)


def test_a_worker_that_is_asked_again_while_it_writes_a_line_is_cut_off(
    connection: Redis, queue: Queue, handler: HandlerThatNobodyEntersTwice
) -> None:
    def cut_off_in_a_line() -> None:
        stop()
        with handler.inner:
            cut_off(worker)

    job = queue.enqueue(import_rows, 10)
    worker = Worker([queue], connection=connection)
    once_at(4, cut_off_in_a_line)
    work_off(worker)
    assert queue.job_ids == [job.id]
    assert any("cold shut down" in line for line in handler.lines)


# A request that comes between two jobs


def test_a_request_is_not_raised_in_the_middle_of_a_command_to_redis(
    connection: Redis, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pool of connections whose lock is left taken lets nobody say good-bye."""
    course: list[str] = []

    def looks_for_suspension(*_arguments: object) -> bool:
        course.append("begins")
        stop()
        course.append("ends")
        return False

    monkeypatch.setattr("rq.worker.base.is_suspended", looks_for_suspension)
    queue.enqueue(import_rows, 3)
    work(connection, burst=False)
    assert course == ["begins", "ends"]
    assert visits == []


class AskedWhenItHasTaken(Worker):
    """A job is on its way when the request comes."""

    def reorder_queues(self, reference_queue: Queue) -> None:
        super().reorder_queues(reference_queue)
        stop()


def test_a_job_on_its_way_to_a_worker_that_leaves_is_put_back_though_redis_is_away_for_a_moment(
    connection: Redis, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([RedisConnectionError("away"), RedisTimeoutError("slow")])

    def put_back_in_the_end(*arguments: Any) -> None:
        for error in answers:
            raise error
        put_back_unbegun(*arguments)

    monkeypatch.setattr(idle, "put_back_unbegun", put_back_in_the_end)
    job = queue.enqueue(import_rows, 3)
    work(connection, "default", "another", worker_class=AskedWhenItHasTaken)
    assert visits == []
    assert queue.job_ids == [job.id]


def test_a_request_that_comes_when_the_worker_has_ended_is_for_the_program_around_it(
    connection: Redis,
) -> None:
    """As with RQ's: a program that works off its queues now and then has to hear of it."""
    worker = Worker(["default"], connection=connection)
    with signal_handlers_put_back():
        worker.work(burst=True)
        with pytest.raises(StopRequested):
            stop()


def pool_of_workers(queue: Queue, count: int) -> WorkerPool:
    pool: Any = WorkerPool([queue], connection=queue.connection)
    pool.worker_dict = dict.fromkeys(map(str, range(count)))
    return cast("WorkerPool", pool)


def test_a_worker_that_its_pool_was_to_stop_before_it_had_handlers_leaves(
    connection: Redis, queue: Queue
) -> None:
    """It was forked from the pool, and has run the pool's handlers so far."""
    queue.enqueue(import_rows, 3)
    pool = pool_of_workers(queue, 1)
    pool.status = WorkerPool.Status.STOPPED
    with signal_handlers_put_back():
        signal.signal(signal.SIGTERM, pool.request_stop)
        Worker([queue], connection=connection).work()
    assert visits == []


@pytest.mark.parametrize(
    ("workers", "status"), [(1, WorkerPool.Status.STARTED), (0, WorkerPool.Status.STOPPED)]
)
def test_a_worker_of_a_pool_that_goes_on_or_follows_one_that_has_ended_works(
    connection: Redis, queue: Queue, workers: int, status: WorkerPool.Status
) -> None:
    job = queue.enqueue(import_rows, 3)
    pool = pool_of_workers(queue, workers)
    pool.status = status
    with signal_handlers_put_back():
        signal.signal(signal.SIGTERM, pool.request_stop)
        Worker([queue], connection=connection).work(burst=True)
    assert job.return_value() == "3 rows"


def test_what_a_handler_tells_a_work_horse_by_is_there_before_a_handler_is(
    connection: Redis,
) -> None:
    """Made by a handler that interrupts the making of it, there would be two."""
    made: list[bool] = []

    class Born(Worker):
        def register_birth(self) -> None:
            made.append("_shared" in vars(self))
            super().register_birth()  # type: ignore[no-untyped-call]  # of RQ

    work(connection, worker_class=Born)
    assert made == [True]


# What a job forks on a worker without a work-horse


def death_signal() -> None:
    """Exits with the signal that the kernel sends this process when its parent dies, or 0."""
    signum = ctypes.c_int()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_GET_PDEATHSIG, ctypes.byref(signum))
    sys.exit(signum.value)


def fork() -> int | None:
    child = get_context("fork").Process(target=death_signal)
    child.start()
    child.join()
    return child.exitcode


def fork_in_a_thread() -> int | None:
    codes: list[int | None] = []
    thread = threading.Thread(target=lambda: codes.append(fork()))
    thread.start()
    thread.join()
    return codes[0]


@pytest.mark.parametrize(("function", "signum"), [(fork, signal.SIGTERM), (fork_in_a_thread, 0)])
def test_what_a_job_forks_dies_with_the_worker_and_not_with_a_thread(
    connection: Redis, queue: Queue, function: Callable[[], int | None], signum: int
) -> None:
    job = queue.enqueue(function)
    work(connection)
    assert job.return_value() == (signum if sys.platform == "linux" else 0)


# A second request to shut down, where there is no work-horse to kill


def cut_off(worker: Worker) -> None:
    """It is told so for the second time. RQ takes one within a second for the first."""
    assert worker._shutdown_requested_date is not None
    worker._shutdown_requested_date -= timedelta(seconds=2)
    stop()


def plain() -> None:
    visit("plain")
    visit("its end")


def work_off(worker: Worker) -> None:
    with signal_handlers_put_back():
        worker.work(burst=True)


def test_a_job_on_its_way_back_is_not_cut_off(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(import_rows, 10)
    worker = Worker([queue], connection=connection)
    once_at(4, stop)
    once_at(BEFORE_PUTTING_BACK, lambda: cut_off(worker))
    work_off(worker)
    assert queue.job_ids == [job.id]
    assert job.get_status() == "queued"


def test_a_plain_job_that_follows_a_continuable_is_cut_off_as_by_rq(
    connection: Redis, queue: Queue
) -> None:
    queue.enqueue(import_rows, 1)
    job = queue.enqueue(plain)
    worker = Worker([queue], connection=connection)

    def cut_off_cold() -> None:
        stop()
        cut_off(worker)

    once_at("plain", cut_off_cold)
    work_off(worker)
    assert visits == [0, "report", "plain"]
    assert failure(job) == "SystemExit"

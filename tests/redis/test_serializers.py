"""Jobs that are not pickled, and values that only pickle could carry."""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Callable, Iterator
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import cloudpickle  # type: ignore[import-untyped]  # it ships no types
import pytest
from redis import Redis
from rq import Queue, Repeat
from rq.serializers import DefaultSerializer, JSONSerializer

from rq_steps import Step, UnserializableError, continuable, step
from tests.redis.scene import (
    StockWorker,
    another_copy,
    completed,
    cursor,
    fail_at,
    failure,
    fields,
    head,
    import_rows,
    once_at,
    pass_time,
    shown,
    stop,
    visit,
    visits,
    work,
)


class CompactJSON:
    """Somebody's own, as with orjson: without a blank, and sorted."""

    @staticmethod
    def dumps(value: object) -> bytes:
        return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()

    @staticmethod
    def loads(data: bytes) -> Any:
        return json.loads(data)


class OwnPickle:
    """Somebody's own use of pickle: it is theirs to say what is pickled, and not ours."""

    dumps = staticmethod(pickle.dumps)
    loads = staticmethod(pickle.loads)


class NothingIsPickled(AssertionError):
    """Raised by whatever pickles or unpickles."""


@pytest.fixture
def no_pickle(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Whoever pickles or unpickles anything gets an error, and is noted, should it be swallowed."""
    caught: list[str] = []

    def explosive(name: str) -> Callable[..., Any]:
        def explode(*_args: object, **_kwargs: object) -> None:
            caught.append(name)
            raise NothingIsPickled(name)

        return explode

    for module in (pickle, cloudpickle, DefaultSerializer):
        for name in ("dumps", "loads", "dump", "load", "Pickler", "Unpickler"):
            monkeypatch.setattr(module, name, explosive(name), raising=False)
    yield caught
    assert caught == []


@step(start=date(2024, 2, 28))
def days(step: Step) -> list[Any]:
    while step.cursor < date(2024, 3, 2):
        visit(step.cursor)
        step.advance()
    return [{1, 2}, (b"bytes", None)]


@continuable(save_every=0, error_wait=60)
def go_through_days() -> str:
    results = days()
    visit("after the days")
    last("part")
    return repr(results)


@step
def last(step: Step, name: str) -> None:
    visit(name)


RESULT = "[{1, 2}, (b'bytes', None)]"
JSON_SERIALIZERS = pytest.mark.parametrize("serializer", [JSONSerializer, CompactJSON])


@JSON_SERIALIZERS
def test_with_a_json_serializer_nothing_is_ever_pickled_or_unpickled(
    connection: Redis, no_pickle: list[str], serializer: Any
) -> None:
    """Interrupted, failed and resumed after a wait, requeued and repeated."""
    queue = Queue(connection=connection, serializer=serializer)
    job = queue.enqueue(go_through_days, meta={"note": 1}, repeat=Repeat(times=1))
    once_at(date(2024, 2, 28), stop)
    work(connection, serializer=serializer)
    fail_at(date(2024, 3, 1))
    work(connection, serializer=serializer, executions=1)
    pass_time(queue)
    another_copy(job).save_meta()
    fail_at("after the days")
    work(connection, serializer=serializer, executions=1)
    pass_time(queue)
    fail_at("after the days")
    work(connection, serializer=serializer, executions=1)
    assert failure(job) == "RuntimeError: out of order at after the days"
    job.requeue()
    work(connection, serializer=serializer)
    assert job.get_status() == "finished"
    assert another_copy(job).repeats_left == 0
    assert job.return_value() == RESULT
    assert another_copy(job).meta["note"] == 1
    assert shown(job)["finished"]


@JSON_SERIALIZERS
def test_on_a_stock_worker_with_a_json_serializer_nothing_is_pickled_either(
    connection: Redis, no_pickle: list[str], serializer: Any
) -> None:
    """There RQ keeps what an interrupted job returns as the result of a retry."""
    queue = Queue(connection=connection, serializer=serializer)
    job = queue.enqueue(import_rows, 4)
    fail_at(2)
    work(connection, serializer=serializer, worker_class=StockWorker)
    assert job.get_status() == "finished"
    assert visits == [0, 1, 2, 2, 3, "report"]


NOT_RQS_PICKLE = pytest.mark.parametrize("serializer", [JSONSerializer, CompactJSON, OwnPickle])


class Bookmark:
    """A value of the user's own."""

    def __init__(self, page: int) -> None:
        self.page = page


@step
def set_a_bookmark(step: Step) -> None:
    step.set(1)
    visit("before")
    try:
        step.set(Bookmark(2))
    except UnserializableError as error:
        visit(str(error))
        raise
    visit("after")


@continuable(save_every=0, error_wait=0)
def read_with_bookmarks() -> None:
    set_a_bookmark()


@NOT_RQS_PICKLE
def test_a_cursor_that_json_cannot_hold_is_an_error_naming_the_step_when_it_is_set(
    connection: Redis, serializer: Any
) -> None:
    queue = Queue(connection=connection, serializer=serializer)
    job = queue.enqueue(read_with_bookmarks)
    work(connection, serializer=serializer)
    before, message = visits
    assert before == "before"
    assert str(message).startswith("cursor of step 'set_a_bookmark': ")
    assert "Bookmark" in str(message)
    assert failure(job) == f"rq_steps.errors.UnserializableError: {message}"
    assert cursor(job) == 1


@step
def return_a_bookmark(step: Step) -> Bookmark:
    step.set(1)
    visit("returning")
    return Bookmark(2)


@continuable(save_every=0, error_wait=0)
def look_for_a_bookmark() -> None:
    try:
        return_a_bookmark()
    except UnserializableError as error:
        visit(str(error))
        raise
    visit("after")


@NOT_RQS_PICKLE
def test_a_result_that_json_cannot_hold_is_an_error_naming_the_step_when_it_is_returned(
    connection: Redis, serializer: Any
) -> None:
    queue = Queue(connection=connection, serializer=serializer)
    job = queue.enqueue(look_for_a_bookmark)
    work(connection, serializer=serializer)
    returning, message = visits
    assert returning == "returning"
    assert str(message).startswith("result of step 'return_a_bookmark': ")
    assert failure(job) == f"rq_steps.errors.UnserializableError: {message}"
    assert completed(job) == []
    assert cursor(job) == 1


@step
def return_a_lock() -> Any:
    return threading.Lock()


@continuable(save_every=0, error_wait=0)
def lock() -> None:
    return_a_lock()


def test_a_result_that_not_even_pickle_carries_is_an_error_naming_the_step(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(lock)
    work(connection)
    assert "UnserializableError: result of step 'return_a_lock': " in failure(job)


def test_a_step_whose_result_was_refused_runs_again_when_the_job_is_requeued(
    connection: Redis,
) -> None:
    queue = Queue(connection=connection, serializer=JSONSerializer)
    job = queue.enqueue(look_for_a_bookmark)
    work(connection, serializer=JSONSerializer)
    visits.clear()
    job.requeue()
    work(connection, serializer=JSONSerializer)
    assert visits[0] == "returning"


VALUES = [
    None,
    True,
    2**70,
    1.5,
    "ä\n",
    b"\x00",
    (1, (2,)),
    [1, [2]],
    {"a": (1,), 2: "b"},
    {1, 2},
    frozenset({"a"}),
    Decimal("1.10"),
    UUID(int=7),
    date(2024, 2, 29),
    datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=timezone.utc),
]


@step
def carry(step: Step, number: int) -> Any:
    if step.resumed:
        visit(("cursor", number))
        found.append(step.cursor)
    else:
        step.set(VALUES[number])
        visit(("set", number))
        step.checkpoint()
    return VALUES[number]


found: list[Any] = []


@continuable(save_every=0)
def carry_values(number: int) -> None:
    found.append(carry(number))
    visit("between")
    last("part")


@pytest.mark.parametrize("serializer", [DefaultSerializer, JSONSerializer])
@pytest.mark.parametrize("number", range(len(VALUES)))
def test_a_restored_cursor_or_result_equals_the_saved_one_type_included(
    connection: Redis, number: int, serializer: Any
) -> None:
    queue = Queue(connection=connection, serializer=serializer)
    found.clear()
    queue.enqueue(carry_values, number)
    once_at(("set", number), stop)
    work(connection, serializer=serializer)
    once_at("between", stop)
    work(connection, serializer=serializer)
    work(connection, serializer=serializer)
    assert [repr(value) for value in found] == [repr(VALUES[number])] * len(found)
    assert [type(value) for value in found] == [type(VALUES[number])] * len(found)
    assert len(found) == 3


@step
def go_on_from_a_bookmark(step: Step) -> Bookmark:
    if step.resumed:
        visit(step.cursor.page)
    step.set(Bookmark(7))
    visit("set")
    step.checkpoint()
    return Bookmark(8)


@continuable(save_every=0)
def read_on() -> None:
    visit(go_on_from_a_bookmark().page)


def test_with_rqs_pickle_a_value_of_the_users_own_is_carried(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(read_on)
    once_at("set", stop)
    work(connection)
    assert set(cursor(job)) == {"$pickle"}
    work(connection)
    assert visits == ["set", 7, "set", 8]
    assert job.is_finished


def test_a_pickled_cursor_is_not_unpickled_for_a_job_with_another_serializer(
    connection: Redis, no_pickle: list[str]
) -> None:
    """Whoever may write to Redis must not run code in a worker that has chosen JSON."""
    queue = Queue(connection=connection, serializer=JSONSerializer)
    job = queue.enqueue(import_rows, 4)
    once_at(1, stop)
    work(connection, serializer=JSONSerializer)
    record = head(job)
    record["current"]["cursor"] = {"$pickle": "gASVAAAAAAAAAAA="}
    connection.hset(job.key, "rq_steps", json.dumps(record))
    work(connection, serializer=JSONSerializer)
    assert "UnserializableError: cursor of step 'rows'" in failure(job)
    assert json.loads(fields(job)["rq_steps"])["current"] == record["current"]


RQS_PICKLE: list[Any] = [None, DefaultSerializer, "rq.serializers.DefaultSerializer"]


@pytest.mark.parametrize("serializer", RQS_PICKLE)
def test_rqs_pickle_is_known_under_all_its_names(connection: Redis, serializer: Any) -> None:
    queue = Queue(connection=connection, serializer=serializer)
    job = queue.enqueue(read_on)
    once_at("set", stop)
    work(connection, serializer=serializer)
    assert set(cursor(job)) == {"$pickle"}

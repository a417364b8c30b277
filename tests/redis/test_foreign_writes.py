"""What others write to the job while it runs, and what the job's own code writes there."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from redis import Redis
from rq import Queue, Repeat, Retry, get_current_job
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from rq_steps import Step, continuable, step
from tests.redis.scene import (
    BEFORE_PUTTING_BACK,
    BEFORE_THE_CLAIM,
    WHILE_PUTTING_BACK,
    another_copy,
    cursor,
    fail_at,
    head,
    import_rows,
    import_rows_late,
    once_at,
    pass_time,
    rows,
    shown,
    stop,
    visit,
    visits,
    work,
)

ALL_ONCE = [*range(6), "report"]


def note(job: Job, **notes: Any) -> Callable[[], None]:
    """Somebody fetches the job, adds to its meta, and saves that."""

    def save_meta() -> None:
        copy = another_copy(job)
        copy.meta.update(notes)
        copy.save_meta()

    return save_meta


def their_notes(job: Job) -> dict[str, Any]:
    meta = another_copy(job).meta
    return {name: value for name, value in meta.items() if name != "rq_steps"}


# meta


def test_what_somebody_else_writes_to_meta_while_the_job_runs_survives(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_rows, 6, meta={"before": 1})
    once_at(2, note(job, during=2))
    once_at(4, note(job, later=3))
    work(connection)
    assert job.is_finished
    assert their_notes(job) == {"before": 1, "during": 2, "later": 3}
    assert shown(job)["finished"]


@pytest.mark.parametrize("happening", [stop, lambda: fail_at(3)])
def test_what_somebody_else_writes_to_meta_survives_interruptions_and_errors(
    connection: Redis, queue: Queue, happening: Callable[[], None]
) -> None:
    job = queue.enqueue(import_rows, 6, meta={"before": 1})
    once_at(1, note(job, during=2))
    once_at(2, happening)
    work(connection, executions=1)
    assert their_notes(job) == {"before": 1, "during": 2}
    assert shown(job)["step"] == "rows"
    note(job, between=3)()
    work(connection)
    assert job.is_finished
    assert their_notes(job) == {"before": 1, "during": 2, "between": 3}


@pytest.mark.parametrize(
    "options", [{}, {"retry": Retry(max=1)}, {"repeat": Repeat(times=1)}], ids=str
)
def test_what_somebody_else_writes_to_meta_survives_rqs_own_save_of_the_whole_job(
    connection: Redis, queue: Queue, options: dict[str, Any]
) -> None:
    """As it fails, is retried or repeated by RQ, which writes what its worker has in memory."""
    job = queue.enqueue(import_failing_for_good, 6, **options)
    once_at(1, note(job, theirs=1))
    if "repeat" not in options:
        fail_at(2)
    work(connection)
    assert their_notes(job) == {"theirs": 1}
    assert "rq_steps" in another_copy(job).meta


@pytest.mark.parametrize("moment", [BEFORE_THE_CLAIM, BEFORE_PUTTING_BACK, WHILE_PUTTING_BACK])
def test_what_somebody_else_writes_to_meta_at_the_edges_of_an_execution_survives(
    connection: Redis, queue: Queue, moment: str
) -> None:
    job = queue.enqueue(import_rows_late, 6)
    once_at(2, stop)
    once_at(moment, note(job, theirs=1))
    work(connection)
    assert their_notes(job) == {"theirs": 1}
    work(connection)
    assert their_notes(job) == {"theirs": 1}
    assert visits == [0, 1, 2, *ALL_ONCE[3:]]


def test_a_foreign_save_meta_does_not_roll_progress_back(connection: Redis, queue: Queue) -> None:
    """It writes all of meta, and with it the progress as it once was."""
    job = queue.enqueue(import_rows, 6)
    stale = []
    once_at(1, lambda: stale.append(another_copy(job)))
    once_at(3, lambda: stale[0].save_meta())
    once_at(4, stop)
    work(connection)
    assert cursor(job) == shown(job)["cursor"] == 5
    work(connection)
    assert visits == ALL_ONCE


def test_a_foreign_save_meta_while_nobody_runs_the_job_does_not_roll_progress_back(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_rows, 6)
    stale = []
    once_at(1, lambda: stale.append(another_copy(job)))
    once_at(4, stop)
    work(connection)
    stale[0].save_meta()
    work(connection)
    assert visits == ALL_ONCE


@step
def rows_noting_themselves(step: Step, count: int) -> None:
    job = get_current_job()
    assert job is not None
    for row in step.each(range(count)):
        job.meta["own note"] = row
        job.save_meta()
        visit(row)


@continuable(save_every=0)
def import_noting(count: int) -> None:
    rows_noting_themselves(count)


def test_the_jobs_own_save_meta_does_not_roll_what_meta_shows_back(
    connection: Redis, queue: Queue
) -> None:
    seen = []
    job = queue.enqueue(import_noting, 6)
    # With save_every=0 meta shows the progress once a second: here, as the step began.
    once_at(0, lambda: seen.append(shown(job)))
    once_at(3, stop)
    work(connection)
    assert seen[0]["step"] == "rows_noting_themselves"
    assert shown(job)["cursor"] == 4
    once_at(5, lambda: seen.append(shown(job)))
    work(connection)
    assert seen[1]["cursor"] >= 4
    assert their_notes(job) == {"own note": 5}
    assert shown(job)["finished"]


@step
def replace_meta() -> None:
    job = get_current_job()
    assert job is not None
    job.meta = {"all": "new"}
    job.save_meta()
    visit("replaced")


@continuable(save_every=0)
def import_replacing_meta() -> None:
    replace_meta()


def test_meta_that_the_job_replaces_shows_the_progress_again(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_replacing_meta, meta={"note": 1})
    work(connection)
    assert their_notes(job) == {"all": "new"}
    assert shown(job)["completed"] == ["replace_meta"]


def meta_bytes(job: Job) -> Any:
    return job.connection.hget(job.key, "meta")


@pytest.mark.parametrize("moment", ["before", 2])
@pytest.mark.parametrize(
    "meta",
    [b"\x80not to be read", b"", b"null", b"[1, 2]", b'"text"', b"7"],
)
def test_meta_that_cannot_be_read_or_is_no_dict_is_left_alone(
    connection: Redis, meta: bytes, moment: object
) -> None:
    queue = Queue(connection=connection, serializer=JSONSerializer)
    job = queue.enqueue(import_rows, 8)

    def spoil() -> None:
        connection.hset(job.key, "meta", meta)

    if moment == "before":
        spoil()
    else:
        once_at(moment, spoil)
    once_at(3, stop)
    work(connection, serializer=JSONSerializer)
    if meta:
        assert meta_bytes(job) == meta
    fail_at(6)
    work(connection, serializer=JSONSerializer, executions=1)
    work(connection, serializer=JSONSerializer)
    assert job.get_status() == "finished"
    assert visits == [*range(7), 6, 7, "report"]
    if meta:
        assert meta_bytes(job) == meta


@pytest.mark.parametrize("meta", [b"\x80not to be read", b"7"])
def test_meta_that_cannot_be_read_or_is_no_dict_is_left_alone_by_a_wait(
    connection: Redis, meta: bytes
) -> None:
    queue = Queue(connection=connection, serializer=JSONSerializer)
    job = queue.enqueue(import_waiting, 6)
    connection.hset(job.key, "meta", meta)
    once_at(3, stop)
    work(connection, serializer=JSONSerializer)
    pass_time(queue)
    work(connection, serializer=JSONSerializer)
    assert job.get_status() == "finished"
    assert meta_bytes(job) == meta


def test_somebody_who_never_stops_writing_meta_does_not_lose_a_note(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_rows, 6)
    for row in range(6):
        once_at(row, note(job, **{f"row {row}": row}))
    work(connection)
    assert their_notes(job) == {f"row {row}": row for row in range(6)}


# What meta shows


def test_meta_shows_the_progress_in_plain_json_types(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(import_rows, 6)
    once_at(3, stop)
    work(connection)
    assert shown(job) == {
        "completed": [],
        "completed_count": 0,
        "step": "rows",
        "cursor": 4,
        "executions": 1,
        "resumptions": 1,
        "errors": 0,
        "finished": False,
    }
    work(connection)
    assert shown(job) == {
        "completed": ["rows", "report"],
        "completed_count": 2,
        "step": None,
        "cursor": None,
        "executions": 2,
        "resumptions": 1,
        "errors": 0,
        "finished": True,
    }


class Place:
    """A cursor that only pickle can carry."""

    def __init__(self, shelf: int) -> None:
        self.shelf = shelf


@step
def go_to_odd_cursors(step: Step) -> None:
    step.set({("a", timedelta(1)): {b"bytes", Place(1)}})
    visit("there")
    step.checkpoint()


@continuable(save_every=0)
def import_with_odd_cursors() -> None:
    go_to_odd_cursors()


def test_meta_shows_a_cursor_of_any_type_in_plain_json_types(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_with_odd_cursors)
    once_at("there", stop)
    work(connection)
    progress = shown(job)
    assert json.loads(json.dumps(progress)) == progress
    assert "bytes" in json.dumps(progress["cursor"])


@step
def one_of_many(number: int) -> int:
    return number


@continuable(save_every=0)
def do_many(count: int) -> None:
    for number in range(1, count + 1):
        one_of_many.with_options(name=f"step {number}")(number)
    visit("all done")


def test_of_many_steps_meta_shows_their_number_and_the_last_twenty(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(do_many, 25)
    work(connection)
    assert shown(job)["completed_count"] == 25
    assert shown(job)["completed"] == [f"step {number}" for number in range(6, 26)]


@continuable(save_every=3600)
def import_rarely_saved(count: int) -> None:
    rows(count)


def test_with_save_every_0_meta_is_refreshed_once_a_second(
    connection: Redis, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("rq_steps.execution.monotonic", lambda: clock[0])
    cursors: list[Any] = []
    job = queue.enqueue(import_rows, 6)

    def look_and_wait(seconds: float) -> None:
        cursors.append(shown(job)["cursor"])
        clock[0] += seconds

    for row, seconds in enumerate([0, 0.5, 0.5, 0, 0.9, 0]):
        once_at(row, partial(look_and_wait, seconds))
    work(connection)
    assert cursors == [None, None, None, 3, 3, 3]


def test_meta_is_refreshed_no_more_often_than_the_record_is_saved(
    connection: Redis, queue: Queue
) -> None:
    cursors: list[Any] = []
    job = queue.enqueue(import_rarely_saved, 6)
    for row in range(6):
        once_at(row, lambda: cursors.append(shown(job)["cursor"]))
    work(connection)
    assert cursors == [None] * 6


@pytest.mark.parametrize("end", ["interrupt", "failure", "finish"])
def test_meta_is_refreshed_at_every_end_of_an_execution(
    connection: Redis, queue: Queue, end: str
) -> None:
    job = queue.enqueue(import_failing_for_good, 6)
    if end == "interrupt":
        once_at(3, stop)
    if end == "failure":
        fail_at(3)
    work(connection)
    expected = {"interrupt": 4, "failure": 3, "finish": None}
    assert shown(job)["cursor"] == expected[end]


@continuable(save_every=3600, resume_errors=False)
def import_failing_for_good(count: int) -> None:
    rows(count)


# save() of the whole job


@continuable(save_every=0, resume_wait=60, error_wait=0)
def import_waiting(count: int) -> str:
    """It waits after every interruption."""
    visit("begun")
    rows(count)
    return "imported"


def queued_copy(queue: Queue, job: Job) -> Job:
    return another_copy(job)


def deferred_copy(queue: Queue, job: Job) -> Job:
    """The job waited for another one."""
    job.set_status(JobStatus.DEFERRED)
    queue.deferred_job_registry.add(job)
    copy = another_copy(job)
    queue.deferred_job_registry.remove(job)
    job.set_status(JobStatus.QUEUED)
    return copy


def scheduled_copy(queue: Queue, job: Job) -> Job:
    """The job was to begin later."""
    queue.remove(job)
    queue.schedule_job(job, job.created_at)
    copy = another_copy(job)
    queue.scheduled_job_registry.remove(job)
    queue.enqueue_job(job)
    return copy


def failed_copy(queue: Queue, job: Job) -> Job:
    """The job had failed, and was requeued."""
    fail_at(BEFORE_THE_CLAIM)
    work(queue.connection)
    copy = another_copy(job)
    job.requeue()
    assert copy.get_status(refresh=False) == "failed"
    return copy


def finished_copy(queue: Queue, job: Job) -> Job:
    """The job had finished, and was enqueued again."""
    work(queue.connection)
    copy = another_copy(job)
    queue.enqueue_job(another_copy(job))
    assert copy.get_status(refresh=False) == "finished"
    visits.clear()
    return copy


def running_copy(queue: Queue, job: Job) -> Job:
    """The job was running, in an execution before this one."""
    copies: list[Job] = []

    def copy_and_fail() -> None:
        copies.append(another_copy(job))
        raise RuntimeError("out of order")

    once_at(BEFORE_THE_CLAIM, copy_and_fail)
    work(queue.connection)
    job.requeue()
    assert copies[0].get_status(refresh=False) == "started"
    return copies[0]


STALE = [queued_copy, deferred_copy, scheduled_copy, failed_copy, finished_copy, running_copy]


@pytest.mark.parametrize("moment", [0, 2, 5, "report"])
@pytest.mark.parametrize("stale_copy", STALE)
def test_a_foreign_save_of_a_stale_copy_does_not_stop_the_job_or_roll_it_back(
    connection: Redis,
    queue: Queue,
    stale_copy: Callable[[Queue, Job], Job],
    moment: object,
) -> None:
    job = queue.enqueue(import_rows_late, 6)
    stale = stale_copy(queue, job)
    once_at(moment, lambda: stale.save())
    work(connection)
    assert visits == ALL_ONCE
    assert job.get_status() == "finished"
    assert job.return_value() == "6 rows"
    assert queue.is_empty()


@pytest.mark.parametrize(
    "stale_copy", [queued_copy, deferred_copy, scheduled_copy, failed_copy, running_copy]
)
def test_a_foreign_save_of_a_stale_copy_before_the_claim_does_not_lose_the_job(
    connection: Redis, queue: Queue, stale_copy: Callable[[Queue, Job], Job]
) -> None:
    """RQ has set it to started, and imports its code, which may take seconds."""
    job = queue.enqueue(import_rows_late, 6)
    stale = stale_copy(queue, job)
    once_at(BEFORE_THE_CLAIM, lambda: stale.save())
    work(connection)
    assert visits == ALL_ONCE
    assert job.get_status() == "finished"


@pytest.mark.parametrize("stale_copy", STALE)
@pytest.mark.parametrize("moment", [2, BEFORE_PUTTING_BACK, WHILE_PUTTING_BACK])
def test_a_foreign_save_of_a_stale_copy_around_an_interruption_does_not_lose_the_job(
    connection: Redis,
    queue: Queue,
    stale_copy: Callable[[Queue, Job], Job],
    moment: object,
) -> None:
    job = queue.enqueue(import_rows_late, 6)
    stale = stale_copy(queue, job)
    stale.description = "theirs"

    def save_and_stop() -> None:
        stale.save()
        stop()

    once_at(2, save_and_stop if moment == 2 else stop)
    if moment != 2:
        once_at(moment, lambda: stale.save())
    work(connection)
    assert job.get_status() == "queued"
    assert queue.job_ids == [job.id]
    work(connection)
    assert visits == ALL_ONCE
    assert job.get_status() == "finished"


LEFT_TO_OTHERS = {JobStatus.STARTED, JobStatus.CANCELED}


@pytest.mark.parametrize("status", sorted(set(JobStatus) - LEFT_TO_OTHERS))
def test_whatever_status_a_stale_copy_says_the_job_goes_on(
    connection: Redis, queue: Queue, status: JobStatus
) -> None:
    job = queue.enqueue(import_rows, 6)
    once_at(2, lambda: connection.hset(job.key, "status", status.value))
    work(connection)
    assert visits == ALL_ONCE
    assert job.get_status() == "finished"


def test_a_foreign_save_while_the_job_waits_does_not_lose_its_progress(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_waiting, 6)
    once_at(2, stop)
    work(connection)
    copy = another_copy(job)
    copy.meta["theirs"] = 1
    copy.save()
    pass_time(queue)
    work(connection)
    assert visits == ["begun", 0, 1, 2, "begun", 3, 4, 5]
    assert their_notes(job) == {"theirs": 1}


def test_a_foreign_save_leaves_the_record_alone(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(import_rows, 6)
    copies: list[Job] = []
    once_at(1, lambda: copies.append(another_copy(job)))
    once_at(4, lambda: copies[0].save())
    once_at(5, stop)
    work(connection)
    assert head(job)["completed"] == 1
    work(connection)
    assert visits == ALL_ONCE


def test_a_job_that_really_was_enqueued_again_is_not_taken_for_one_set_back(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_rows, 6)

    def enqueue_again() -> None:
        queue.enqueue_job(another_copy(job))

    once_at(2, enqueue_again)
    work(connection, executions=1)
    assert visits == [0, 1, 2]
    assert job.get_status() == "queued"
    assert queue.job_ids == [job.id]


def test_a_job_that_really_was_enqueued_on_another_queue_is_not_taken_for_one_set_back(
    connection: Redis, queue: Queue
) -> None:
    other = Queue("other", connection=connection)
    job = queue.enqueue(import_rows, 6)
    once_at(2, lambda: other.enqueue_job(another_copy(job)))
    work(connection)
    assert visits == [0, 1, 2]
    assert job.get_status() == "queued"
    assert other.job_ids == [job.id]
    work(connection, "other")
    assert visits == [0, 1, 2, *ALL_ONCE[2:]]
    assert job.get_status() == "finished"


def test_a_job_that_really_was_scheduled_again_is_not_taken_for_one_set_back(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_rows, 6)
    once_at(2, lambda: queue.schedule_job(another_copy(job), job.created_at))
    work(connection)
    assert visits == [0, 1, 2]
    assert job.get_status() == "scheduled"
    assert queue.scheduled_job_registry.get_job_ids() == [job.id]


def test_a_job_that_somebody_took_for_abandoned_and_failed_is_left_to_them(
    connection: Redis, queue: Queue
) -> None:
    """RQ's maintenance does it where a worker's heart has not been heard for long."""
    job = queue.enqueue(import_rows, 6)

    def fail_it() -> None:
        for execution in job.get_executions():
            registry = queue.started_job_registry
            connection.zadd(registry.key, {execution.composite_key: 1})
        queue.started_job_registry.cleanup()

    once_at(2, fail_it)
    work(connection)
    assert visits == [0, 1, 2]
    assert job.get_status() == "failed"
    assert queue.failed_job_registry.get_job_ids() == [job.id]

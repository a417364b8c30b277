"""An execution writes while the job is its own, and not a byte longer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis
from rq import Callback, Queue
from rq.command import send_stop_job_command
from rq.job import Job, JobStatus
from rq.registry import CanceledJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer

from rq_steps import Step, continuable, step, store
from rq_steps.events import Event, Superseded
from rq_steps.head import completed_count
from rq_steps.lease import has_lease, lease_key
from rq_steps.record import Completed, Record
from rq_steps.recovery import recover_lost
from rq_steps.store import Claim, Store
from tests.redis import jobs
from tests.redis.scene import (
    BEFORE_PUTTING_BACK,
    BEFORE_THE_CLAIM,
    WHILE_PUTTING_BACK,
    StockWorker,
    another_copy,
    claimed_by_another,
    completed,
    cursor,
    everything_but_the_heartbeat,
    failure,
    fields,
    head,
    import_rows,
    import_rows_late,
    once_at,
    rows,
    shown,
    stop,
    visit,
    visits,
    work,
)
from tests.workers import Workers, wait_until


@step
def save_by_hand(step: Step) -> None:
    for row in range(10):
        visit(row)
        step.set(row + 1)
        step.save()


@continuable(save_every=3600)
def import_saving_by_hand() -> None:
    save_by_hand()


@continuable(save_every=3600, error_wait=0)
def import_rows_unsaved(count: int) -> int:
    """One step that is saved when it begins and ends."""
    return rows(count)


def started(queue: Queue, **options: Any) -> Job:
    """A job that a worker has just begun to perform."""
    job = queue.enqueue(import_rows, 10, **options)
    queue.remove(job)
    job.set_status(JobStatus.STARTED)
    return job


class Seizure:
    """Another execution claims the job, and the hash is kept as that has left it."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.hash: dict[bytes, bytes] = {}

    def __call__(self) -> None:
        claimed_by_another(self._job)
        self.hash = everything_but_the_heartbeat(self._job)


LAST = 9


def go_on() -> None:
    pass


def raise_an_error() -> None:
    raise RuntimeError("out of order")


@pytest.mark.parametrize("then", [go_on, stop, raise_an_error])
@pytest.mark.parametrize("function", [import_rows, import_rows_unsaved])
@pytest.mark.parametrize("row", [0, 4, LAST])
def test_an_execution_superseded_by_another_claim_writes_nothing_more(
    connection: Redis,
    queue: Queue,
    events: list[Event],
    function: Callable[[int], object],
    row: int,
    then: Callable[[], None],
) -> None:
    job = queue.enqueue(function, 10)
    seizure = Seizure(job)

    def seized() -> None:
        seizure()
        then()

    once_at(row, seized)
    work(connection)
    assert everything_but_the_heartbeat(job) == seizure.hash
    assert job.get_status() == "started"
    assert job.latest_result() is None
    assert queue.is_empty()
    assert "report" not in visits
    assert [event.why for event in events if isinstance(event, Superseded)] == ["superseded"]


def test_a_superseded_execution_leaves_at_its_next_save(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(import_rows, 10)
    once_at(4, lambda: claimed_by_another(job))
    work(connection)
    assert visits == [0, 1, 2, 3, 4]


def test_a_superseded_execution_leaves_at_a_save_by_hand(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(import_saving_by_hand)
    once_at(4, lambda: claimed_by_another(job))
    work(connection)
    assert visits == [0, 1, 2, 3, 4]


def test_a_superseded_execution_is_no_longer_in_rqs_books(connection: Redis, queue: Queue) -> None:
    job = queue.enqueue(import_rows, 10)
    once_at(4, lambda: claimed_by_another(job))
    work(connection)
    assert job.id not in StartedJobRegistry(queue=queue).get_job_ids(cleanup=False)
    assert job.get_executions() == []
    assert queue.failed_job_registry.count == queue.finished_job_registry.count == 0


@pytest.mark.parametrize("moment", [BEFORE_PUTTING_BACK, WHILE_PUTTING_BACK])
def test_a_job_claimed_by_another_after_the_last_save_is_not_put_back(
    connection: Redis, queue: Queue, moment: str
) -> None:
    job = queue.enqueue(import_rows, 10)
    seizure = Seizure(job)
    once_at(4, stop)
    once_at(moment, seizure)
    work(connection)
    assert everything_but_the_heartbeat(job) == seizure.hash
    assert queue.is_empty()


class Hooked(JSONSerializer):
    """Calls somebody each time that meta is about to be written."""

    hook: Callable[[], object] | None = None

    def dumps(self, value: object) -> bytes:  # type: ignore[override]  # an instance is passed
        hook, self.hook = self.hook, None
        if hook is not None:
            hook()
        return bytes(JSONSerializer.dumps(value))


def save_with_two_happenings(connection: Redis, second: Callable[[Job], object]) -> Job:
    """A save of `ours` in which somebody else has written meta, so that ours is put into theirs in
    a call of its own. The second happening comes just before that."""
    serializer = Hooked()
    queue = Queue(connection=connection, serializer=serializer)
    job = started(queue)
    store = Store(job, "ours", "rq:worker:ours")
    record = store.claim().record
    write_meta(job, theirs=1)

    def hook_the_next() -> None:
        serializer.hook = lambda: second(job)

    serializer.hook = hook_the_next
    store.save(record, {"shown by": "us"})
    return job


def write_meta(job: Job, **notes: object) -> None:
    copy = another_copy(job)
    copy.meta.update(notes)
    copy.save_meta()


def claim_and_show(job: Job) -> None:
    store = Store(another_copy(job), "another", "rq:worker:another")
    store.save(store.claim().record, {"shown by": "another"})


def test_an_execution_superseded_while_it_loads_removes_none_of_the_others_steps(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has found those of an earlier run, which are removed when the next one begins."""
    job = started(queue)
    save_a_step(job, "earlier", finished=True)

    def count_late(head: bytes) -> int:
        monkeypatch.undo()
        save_a_step(job, "another")
        return completed_count(head)

    monkeypatch.setattr(store, "completed_count", count_late)
    Store(job, "ours", "rq:worker:ours").claim()
    assert completed(job) == [{"name": "rows", "result": "another"}]


def save_a_step(job: Job, token: str, *, finished: bool = False) -> None:
    """An execution claims the job, and completes its first step."""
    store = Store(another_copy(job), token, f"rq:worker:{token}")
    record = store.claim().record
    record.complete(Completed("rows", token))
    record.finished = finished
    store.save(record, release=finished)


def test_an_execution_superseded_in_the_middle_of_a_save_shows_nothing_more_in_meta(
    connection: Redis,
) -> None:
    job = save_with_two_happenings(connection, claim_and_show)
    assert another_copy(job).meta == {"theirs": 1, "rq_steps": {"shown by": "another"}}


def test_a_job_deleted_in_the_middle_of_a_save_is_not_resurrected(connection: Redis) -> None:
    job = save_with_two_happenings(connection, lambda job: another_copy(job).delete())
    assert not connection.exists(job.key)


def test_somebody_who_writes_meta_again_in_the_middle_of_a_save_loses_nothing(
    connection: Redis,
) -> None:
    job = save_with_two_happenings(connection, lambda job: write_meta(job, again=2))
    assert another_copy(job).meta == {"theirs": 1, "again": 2, "rq_steps": {"shown by": "us"}}


def test_a_save_of_the_older_of_two_executions_is_refused(connection: Redis, queue: Queue) -> None:
    job = started(queue)
    older, newer = Store(job, "older", ""), Store(job, "newer", "")
    older_record, newer_record = older.claim().record, newer.claim().record
    newer_record.completed.append(Completed("done by the newer", None))
    assert newer.save(newer_record).saved
    before = fields(job)
    older_record.completed.append(Completed("done by the older", None))
    assert older.save(older_record, {"shown": "by the older"}).state == "superseded"
    assert fields(job) == before
    assert "rq_steps" not in another_copy(job).meta


def test_a_save_that_is_repeated_by_the_client_is_the_same_save(
    connection: Redis, queue: Queue
) -> None:
    """A last save whose answer was lost on the way is sent once more."""
    job = started(queue)
    store = Store(job, "ours", "")
    record = store.claim().record
    assert store.save(record, release=True).saved
    assert store.save(record, release=True).saved


def test_a_save_is_refused_with_the_status_of_a_job_that_is_not_started(
    connection: Redis, queue: Queue
) -> None:
    job = started(queue)
    store = Store(job, "ours", "")
    record = store.claim().record
    another_copy(job).cancel()
    assert store.save(record).state == "canceled"
    assert "rq_steps" not in fields(job)


def test_a_claim_tells_whether_the_execution_before_it_came_to_its_end(
    connection: Redis, queue: Queue
) -> None:
    job = started(queue)

    def claim(token: str) -> tuple[Store, Claim]:
        store = Store(job, token, "")
        return store, store.claim()

    _, first = claim("first")
    store, second = claim("second")
    assert (first.died, second.died) == (False, True)
    store.save(second.record, release=True)
    assert not claim("third")[1].died


def test_a_job_that_is_not_started_is_not_claimed(connection: Redis, queue: Queue) -> None:
    job = started(queue)
    job.cancel()
    claim = Store(job, "ours", "").claim()
    assert claim.status == "canceled"
    assert fields(job) == {}


CANCEL_OR_DELETE = [Job.cancel, Job.delete]


def is_canceled(job: Job, queue: Queue) -> bool:
    registry = CanceledJobRegistry(queue=queue)
    return job.get_status() == "canceled" and registry.get_job_ids() == [job.id]


def is_gone(job: Job) -> bool:
    return not list(job.connection.scan_iter(f"*{job.id}*"))


def nothing_was_said_of(job: Job, queue: Queue) -> bool:
    registries = (queue.failed_job_registry, queue.finished_job_registry)
    return queue.is_empty() and not any(registry.count for registry in registries)


@pytest.mark.parametrize("then", [go_on, stop, raise_an_error])
@pytest.mark.parametrize("row", [0, 4, LAST])
def test_a_job_canceled_while_it_runs_stops_at_the_next_save_and_is_not_resurrected(
    connection: Redis, queue: Queue, row: int, then: Callable[[], None]
) -> None:
    job = queue.enqueue(import_rows, 10)

    def cancel() -> None:
        another_copy(job).cancel()
        then()

    once_at(row, cancel)
    work(connection)
    assert visits == list(range(row + 1))
    assert is_canceled(job, queue)
    assert nothing_was_said_of(job, queue)
    assert job.latest_result() is None


@pytest.mark.parametrize("then", [go_on, stop, raise_an_error])
@pytest.mark.parametrize("row", [0, 4, LAST])
def test_a_job_deleted_while_it_runs_stops_at_the_next_save_and_is_not_resurrected(
    connection: Redis, queue: Queue, row: int, then: Callable[[], None]
) -> None:
    job = queue.enqueue(import_rows, 10, meta={"note": 1})

    def delete() -> None:
        another_copy(job).delete()
        then()

    once_at(row, delete)
    work(connection)
    assert visits == list(range(row + 1))
    assert is_gone(job)
    assert nothing_was_said_of(job, queue)


@pytest.mark.parametrize("moment", [BEFORE_THE_CLAIM, BEFORE_PUTTING_BACK, WHILE_PUTTING_BACK])
def test_a_job_canceled_just_before_or_after_its_execution_is_not_resurrected(
    connection: Redis, queue: Queue, moment: str
) -> None:
    job = queue.enqueue(import_rows_late, 10)
    if moment != BEFORE_THE_CLAIM:
        once_at(4, stop)
    once_at(moment, lambda: another_copy(job).cancel())
    work(connection)
    assert is_canceled(job, queue)
    assert nothing_was_said_of(job, queue)


@pytest.mark.parametrize("moment", [BEFORE_THE_CLAIM, BEFORE_PUTTING_BACK, WHILE_PUTTING_BACK])
def test_a_job_deleted_just_before_or_after_its_execution_is_not_resurrected(
    connection: Redis, queue: Queue, moment: str
) -> None:
    job = queue.enqueue(import_rows_late, 10)
    if moment != BEFORE_THE_CLAIM:
        once_at(4, stop)
    once_at(moment, lambda: another_copy(job).delete())
    work(connection)
    assert is_gone(job)
    assert nothing_was_said_of(job, queue)


def test_a_job_that_was_lost_is_not_put_back_though_somebody_has_it_started_again(
    connection: Redis, queue: Queue
) -> None:
    """Canceled, enqueued again, and begun by another worker that has not yet claimed it."""
    job = queue.enqueue(import_rows, 10)
    once_at(4, lambda: another_copy(job).cancel())
    once_at(BEFORE_PUTTING_BACK, lambda: job.set_status(JobStatus.STARTED))
    work(connection)
    assert job.get_status() == "started"
    assert queue.is_empty()


@continuable
def import_with_an_end(count: int) -> int:
    rows(count)
    visit("after the steps")
    return count


def test_a_job_claimed_by_another_after_its_last_step_is_not_finished(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_with_an_end, 2)
    once_at("after the steps", lambda: claimed_by_another(job))
    work(connection)
    assert job.get_status() == "started"
    assert job.latest_result() is None
    assert not head(job)["finished"]


def test_a_job_canceled_after_its_last_step_is_not_finished(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_with_an_end, 2)
    once_at("after the steps", lambda: another_copy(job).cancel())
    work(connection)
    assert is_canceled(job, queue)
    assert nothing_was_said_of(job, queue)


def test_a_job_deleted_after_its_last_step_is_not_resurrected(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_with_an_end, 2)
    once_at("after the steps", lambda: another_copy(job).delete())
    work(connection)
    assert is_gone(job)


def test_nothing_of_a_job_that_is_lost_before_its_claim_is_run(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_rows_late, 10)
    once_at(BEFORE_THE_CLAIM, lambda: another_copy(job).cancel())
    work(connection)
    assert visits == []


def test_a_job_enqueued_again_while_it_runs_is_left_to_the_next_execution(
    connection: Redis, queue: Queue
) -> None:
    queue.enqueue(import_rows, 6, job_id="daily")
    once_at(4, lambda: queue.enqueue(import_rows, 3, job_id="daily"))
    work(connection)
    assert visits == [0, 1, 2, 3, 4, 0, 1, 2, "report"]
    job = Job.fetch("daily", connection=connection)
    assert job.return_value() == "3 rows"
    assert queue.is_empty()


@pytest.mark.parametrize("worker_class", ["rq_steps.Worker", "rq.Worker"])
@pytest.mark.parametrize("how", ["cancel", "delete", "claim"])
def test_a_forked_horse_leaves_a_job_that_is_no_longer_its_own(
    connection: Redis, queue: Queue, worker: Workers, worker_class: str, how: str
) -> None:
    job = queue.enqueue(jobs.lose_job, how, job_id="lost")
    following = queue.enqueue(jobs.follow, job_id="following")
    assert worker(worker_class=worker_class, burst=True).wait() == 0
    assert jobs.visited(connection) == ["0", "1", "2", "following"]
    assert following.is_finished
    assert queue.failed_job_registry.count == 0
    assert queue.finished_job_registry.get_job_ids() == [following.id]
    assert StartedJobRegistry(queue=queue).get_job_ids(cleanup=False) == []
    if how == "cancel":
        assert is_canceled(job, queue)
    if how == "delete":
        assert is_gone(job)
    if how == "claim":
        assert job.get_status() == "started"
        assert fields(job)["rq_steps:claim"] == "another"


def test_a_job_stopped_by_rqs_command_keeps_its_record_and_is_continued_by_requeue(
    connection: Redis, queue: Queue, worker: Workers
) -> None:
    job = queue.enqueue(jobs.hold_at_row, 2, 4)
    running = worker()
    wait_until(lambda: connection.llen(jobs.HELD), "the job has not come to its row")
    send_stop_job_command(connection, job.id)
    wait_until(lambda: job.get_status() == "stopped", "the job was not stopped")
    running.terminate()
    running.wait()
    assert cursor(job) == 2
    job.requeue()
    connection.rpush(jobs.RELEASE, "go")
    worker(burst=True).wait()
    assert job.is_finished
    assert jobs.visited(connection) == ["0", "1", "2", "2", "3"]


def test_what_another_execution_has_done_meanwhile_is_not_rolled_back(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_rows, 10)

    def overtake() -> None:
        store = Store(another_copy(job), "another", "")
        record: Record = store.claim().record
        record.completed.append(Completed("rows", 10))
        record.current = None
        store.save(record, {"shown by": "another"})

    once_at(4, overtake)
    work(connection)
    assert completed(job) == [{"name": "rows", "result": 10}]
    assert head(job)["current"] is None
    assert shown(job) == {"shown by": "another"}


def note_failure(*_arguments: object) -> None:
    visit("failure callback")


def test_an_error_after_the_job_was_superseded_fails_nothing(
    connection: Redis, queue: Queue
) -> None:
    """It may be the other's doing: rows that are there already, a file that is gone."""
    job = queue.enqueue(import_rows, 10, on_failure=Callback(note_failure))

    def lose_and_fail() -> None:
        claimed_by_another(job)
        raise_an_error()

    once_at(0, lose_and_fail)
    work(connection)
    assert visits == [0]
    assert job.get_status() == "started"
    assert head(job)["error"] is None


def canceled_on_a_stock_worker(connection: Redis, queue: Queue) -> Job:
    """A job that is canceled in the middle of its rows, on a worker without a work-horse."""
    job = queue.enqueue(import_rows, 10)
    once_at(4, lambda: another_copy(job).cancel())
    work(connection, worker_class=StockWorker)
    return job


def test_a_job_canceled_on_a_stock_worker_without_a_work_horse_fails_and_does_not_run_again(
    connection: Redis, queue: Queue
) -> None:
    """That has no way to end quietly, and would take what it is told for a retry."""
    job = canceled_on_a_stock_worker(connection, queue)
    assert visits == [0, 1, 2, 3, 4]
    assert failure(job) == "rq_steps.errors.StepsError: the job was canceled while it ran"
    assert queue.is_empty()


def test_a_job_canceled_on_a_stock_worker_without_a_work_horse_is_not_taken_for_lost(
    connection: Redis, queue: Queue
) -> None:
    job = canceled_on_a_stock_worker(connection, queue)
    assert not has_lease(job)
    connection.zadd(lease_key(queue.name, connection), {job.id: 1})
    assert recover_lost([queue]) == 0
    assert job.get_status() == "failed"


def test_a_job_superseded_on_a_stock_worker_without_a_work_horse_goes_on_from_the_record(
    connection: Redis, queue: Queue
) -> None:
    job = queue.enqueue(import_rows, 10)
    once_at(4, lambda: claimed_by_another(job))
    work(connection, worker_class=StockWorker)
    assert job.is_finished
    assert visits == [0, 1, 2, 3, 4, *range(4, 10), "report"]

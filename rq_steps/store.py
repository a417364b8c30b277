"""The record in Redis: claimed, loaded, and saved behind a fence.

It lives in fields of its own in the job's hash, and so shares the job's life:

- `rq_steps`: the head of the record
- `rq_steps:<n>`: the nth completed step, written once
- `rq_steps:claim`: the token of the execution that runs; `ended:` or `died:` and the token of the
  one that came to its end, or did not
- `rq_steps:newer_since`: when the record was first found to be of a newer rq_steps, on Redis' clock
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rq.job import JobStatus
from rq.results import Result

from rq_steps.books import HEARTBEAT, registry_of
from rq_steps.head import completed_count, is_finished, unfinished
from rq_steps.lease import lease_key
from rq_steps.meta import merged
from rq_steps.record import Completed, Record, Run
from rq_steps.settings import LEASE
from rq_steps.stale_status import set_right
from rq_steps.values import JSON
from rq_steps.wire import Wire, script

if TYPE_CHECKING:
    from redis.commands.core import Script
    from rq.job import Job

HEAD = "rq_steps"
CLAIM = "rq_steps:claim"
NEWER_SINCE = "rq_steps:newer_since"
ENDED = "ended:"
DIED = "died:"
SAVED = "saved"
FORGOTTEN = "forgotten"
SUPERSEDED = "superseded"


class Claim(NamedTuple):
    """What an execution finds when it claims its job."""

    status: str | None
    record: Record
    resumed: bool
    died: bool
    """Did the execution before it not come to its end?"""


class Answer(NamedTuple):
    """What a save says."""

    state: str
    stopping: bool = False

    @property
    def saved(self) -> bool:
        """Was it written? Else `state` says why the job is no longer this execution's."""
        return self.state == SAVED


class Store:
    """The record of one job, for one execution."""

    def __init__(self, job: Job, token: str, worker_key: str) -> None:
        self._job = job
        self._token = token
        self._worker_key = worker_key
        self._lease = lease_key(job.origin, job.connection)
        self._wire = Wire(job.connection, "save")
        self._written = 0
        self._meta = b""

    def claim(self) -> Claim:
        """Claim the job, and load the record of this run.

        Raises:
            NewerRecordError: a newer rq_steps wrote the record.
        """
        fields = self._claimed()
        status, created_at, repeats_left, meta, head, claim, newer_since, last_result = fields
        self._meta = meta or b""
        run = run_of(created_at, repeats_left)
        kept = self._load(head, run) if status == JobStatus.STARTED.encode() else None
        record = kept or Record(run)
        record.last_result = text(last_result) or None
        if newer_since is not None:
            self._job.connection.hdel(self._job.key, NEWER_SINCE)
        died = claim is not None and not claim.startswith(ENDED.encode())
        return Claim(text(status) or None, record, kept is not None and kept.begun, died)

    def save(
        self, record: Record, shown: dict[str, JSON] | None = None, *, release: bool = False
    ) -> Answer:
        """Write the record, and `shown` into meta; give up the claim where `release` says so."""
        meta = b"" if shown is None else self._meta_with(shown)
        answer = self._save(record, meta, release)
        if answer[0] == FORGOTTEN.encode():
            self._written = 0
            answer = self._save(record, meta, release)
        if self._was_set_right(answer[0]):
            answer = self._save(record, meta, release)
        if release:
            self._wire.close()
        if answer[0] != SAVED.encode():
            return Answer(text(answer[0]))
        self._written = len(record.completed)
        self._seen(meta, answer[2], shown)
        return Answer(SAVED, answer[1] == b"1")

    def renew(self) -> None:
        """Say that the job is alive, whatever its code is doing."""
        job = self._job
        started, executions = job.started_job_registry.key, registry_of(job).key
        args: list[str | float] = [self._token, job.id, LEASE, HEARTBEAT]
        self._script("renew")(keys=[job.key, self._lease, started, executions], args=args)

    def latest_meta(self) -> Any:
        """Meta as last seen in Redis, or None where it cannot be read."""
        return self._loaded(self._meta)

    def _claimed(self) -> list[bytes | None]:
        """The fields as the claim has found them, if need be once the job is started again."""
        fields = self._ask_for_claim()
        status, claim = text(fields[0]), text(fields[5])
        # Finished it may well be: by another execution, since this one was dequeued.
        if status in ("", JobStatus.STARTED, JobStatus.FINISHED):
            return fields
        return self._ask_for_claim() if set_right(self._job, claim, status) else fields

    def _ask_for_claim(self) -> list[bytes | None]:
        job = self._job
        keys = [job.dependents_key, job.dependencies_key, Result.get_key(job.id), self._lease]
        args: list[str | float] = [self._token, job.id, LEASE]
        fields: list[bytes | None] = self._script("claim")(keys=[job.key, *keys], args=args)
        return fields

    def _load(self, head: bytes | None, run: Run) -> Record | None:
        """The record, where there is one and it belongs to this run."""
        if head is None:
            return None
        count = completed_count(head)
        record = Record.load(head, [])
        record.finished = record.finished and not _has_failed(self._job, record)
        if record.finished or record.run != run:
            self._script("clear")(keys=[self._job.key], args=[self._token, count])
            return None
        record.completed = self._completed(count)
        if len(record.completed) < count:  # lost by the server: what followed is done again
            record.current = None
        self._written = len(record.completed)
        return record

    def _completed(self, count: int) -> list[Completed]:
        steps = self._script("completed")(keys=[self._job.key], args=[count])
        return Completed.load_all(steps)

    def _save(self, record: Record, meta: bytes, release: bool) -> list[bytes]:
        new: list[str | bytes | int] = []
        for place in range(self._written, len(record.completed)):
            new += (field(place + 1), record.completed[place].dump())
        last = field(self._written) if self._written else ""
        answer: list[bytes] = self._wire.call(
            [self._job.key, self._worker_key],
            [self._token, record.head(), int(release), self._meta, meta, last, *new],
        )
        return answer

    def _was_set_right(self, state: bytes) -> bool:
        """Had somebody's stale save() set the job back, and is it started again now?"""
        return state != SAVED.encode() and set_right(self._job, self._token, state.decode())

    def _seen(self, written: bytes, other: bytes | None, shown: dict[str, JSON] | None) -> None:
        """Where somebody else wrote meta meanwhile, put our key into theirs."""
        while shown is not None and other is not None:
            self._meta = other
            written = self._meta_with(shown)
            if not written:
                return
            args: list[str | bytes] = [self._token, self._meta, written]
            other = self._script("show")(keys=[self._job.key], args=args)
        if written:
            self._meta = written

    def _meta_with(self, shown: dict[str, JSON]) -> bytes:
        meta = self._loaded(self._meta)
        if meta is None:
            return b""
        dumped = self._job.serializer.dumps(merged(meta, shown))
        return dumped.encode() if isinstance(dumped, str) else dumped

    def _loaded(self, meta: bytes) -> Any:
        try:
            return self._job.serializer.loads(meta) if meta else {}
        except Exception:  # depends on the serializer: what cannot be read is left alone
            return None

    def _script(self, name: str) -> Script:
        return script(self._job.connection, name)


def reopen(job: Job) -> None:
    """The run that has finished has failed after all, in a callback or over its result."""
    head = job.connection.hget(job.key, HEAD)
    if head is not None and is_finished(head):
        script(job.connection, "reopen")(keys=[job.key], args=[head, unfinished(head)])


def _has_failed(job: Job, record: Record) -> bool:
    """Has the execution that finished this run failed after all? RQ's own workers do not reopen it.

    A failure that follows its success is of a later execution, which did not get as far as a claim.

    Only the types are read: the results themselves may need classes that are gone.
    """
    last = record.last_result
    results: Any = job.connection.xrange(Result.get_key(job.id), min=last or "-")
    types = {int(fields[b"type"]) for key, fields in results if text(key) != last}
    return Result.Type.FAILED.value in types and Result.Type.SUCCESSFUL.value not in types


def last_completed(job: Job, count: int) -> str | None:
    """The name of the last of so many completed steps."""
    stored: Any = job.connection.hget(job.key, field(count)) if count else None
    return Completed.load_all(stored)[0].name if stored else None


def run_of(created_at: bytes | None, repeats_left: bytes | None) -> Run:
    """The run that a job is in, as these fields of RQ's tell."""
    return Run(text(created_at), int(repeats_left) if repeats_left else None)


def field(place: int) -> str:
    """The field of the nth completed step, counted from 1."""
    return f"{HEAD}:{place}"


def text(value: bytes | None) -> str:
    """A field's text; empty where there is no such field."""
    return (value or b"").decode()

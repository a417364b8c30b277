"""The record in Redis: claimed, loaded, and saved behind a fence.

It lives in fields of its own in the job's hash, and so shares the job's life:

- `rq_steps`: the head of the record
- `rq_steps:<n>`: the nth completed step, written once
- `rq_steps:claim`: the token of the execution that runs; `ended:` or `died:` and the token of the
  one that came to its end, or did not
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from rq_steps.lease import LEASE, lease_key
from rq_steps.meta import merged
from rq_steps.record import Completed, Record, Run, completed_count, unfinished
from rq_steps.values import JSON
from rq_steps.wire import Wire

if TYPE_CHECKING:
    from redis import Redis
    from redis.commands.core import Script
    from rq.job import Job

HEAD = "rq_steps"
CLAIM = "rq_steps:claim"
ENDED = "ended:"
DIED = "died:"
STARTED = "started"
SAVED = "saved"
SUPERSEDED = "superseded"
SET_BACK = frozenset({"created", "queued", "scheduled", "deferred"})
"""What a status reads that a stale save() wrote while the job runs."""


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
        self._wire = Wire(job.connection, _source("save"))
        self._written = 0
        self._meta = b""

    def claim(self) -> Claim:
        """Claim the job, and load the record of this run.

        Raises:
            StepsError: a newer rq_steps wrote the record.
        """
        fields = self._script("claim")(
            keys=[self._job.key, self._lease], args=[self._token, self._job.id, LEASE]
        )
        status, created_at, repeats_left, meta, head, claim = fields
        self._meta = meta or b""
        run = Run(_text(created_at) or "", int(repeats_left) if repeats_left else None)
        record = self._load(head, run) if status == STARTED.encode() else None
        resumed = record is not None and record.begun
        died = claim is not None and not claim.startswith(ENDED.encode())
        return Claim(_text(status), record or Record(run), resumed, died)

    def save(
        self, record: Record, shown: dict[str, JSON] | None = None, *, release: bool = False
    ) -> Answer:
        """Write the record, and `shown` into meta; give up the claim where `release` says so."""
        meta = b"" if shown is None else self._meta_with(shown)
        answer = self._save(record, meta, release)
        if answer[0].decode() in SET_BACK and self._restart():
            answer = self._save(record, meta, release)
        if release:
            self._wire.close()
        if answer[0] != SAVED.encode():
            return Answer(_text(answer[0]) or "")
        self._written = len(record.completed)
        self._seen(meta, answer[2], shown)
        return Answer(SAVED, answer[1] == b"1")

    def renew(self) -> None:
        """Say that the job is alive, whatever its code is doing."""
        args: list[str | float] = [self._token, self._job.id, LEASE]
        self._script("renew")(keys=[self._job.key, self._lease], args=args)

    def latest_meta(self) -> Any:
        """Meta as last seen in Redis, or None where it cannot be read."""
        return self._loaded(self._meta)

    def _load(self, head: bytes | None, run: Run) -> Record | None:
        """The record, where there is one and it belongs to this run."""
        if head is None:
            return None
        count = completed_count(head)
        record = Record.load(head, [])
        if record.finished or record.run != run:
            self._script("clear")(keys=[self._job.key], args=[self._token, count])
            return None
        record.completed = self._completed(count)
        self._written = count
        return record

    def _completed(self, count: int) -> list[Completed]:
        steps = self._script("completed")(keys=[self._job.key], args=[count])
        return Completed.load_all(steps)

    def _save(self, record: Record, meta: bytes, release: bool) -> list[bytes]:
        new: list[str | bytes | int] = []
        for place in range(self._written, len(record.completed)):
            new += (field(place + 1), record.completed[place].dump())
        answer: list[bytes] = self._wire.call(
            [self._job.key, self._worker_key],
            [self._token, record.head(), int(release), self._meta, meta, *new],
        )
        return answer

    def _restart(self) -> bool:
        from rq.queue import Queue

        queue = Queue(self._job.origin, connection=self._connection)
        keys = [self._job.key, queue.key, queue.scheduled_job_registry.key]
        return bool(self._script("restart")(keys=keys, args=[self._token, self._job.id]))

    def _seen(self, written: bytes, other: bytes | None, shown: dict[str, JSON] | None) -> None:
        """Where somebody else wrote meta meanwhile, put our key into theirs."""
        while shown is not None and other is not None:
            self._meta = other
            written = self._meta_with(shown)
            if not written:
                return
            args = [self._meta, written]
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

    @property
    def _connection(self) -> Redis:
        connection: Redis = self._job.connection
        return connection

    def _script(self, name: str) -> Script:
        return script(self._connection, name)


def reopen(job: Job) -> None:
    """The run that has finished has failed after all, in a callback or over its result."""
    head = job.connection.hget(job.key, HEAD)
    if head is not None:
        job.connection.hset(job.key, HEAD, unfinished(head))


def script(connection: Redis, name: str) -> Script:
    """The script in the file `<name>.lua`."""
    return connection.register_script(_source(name))


def field(place: int) -> str:
    """The field of the nth completed step, counted from 1."""
    return f"{HEAD}:{place}"


@cache
def _source(name: str) -> str:
    return files("rq_steps").joinpath(f"{name}.lua").read_text(encoding="utf-8")


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()

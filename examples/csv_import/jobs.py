"""The job: `process_import` validates a file, imports it row by row, and says that it is done.

It may be interrupted anywhere, by a deploy or by a crash, and items happen at least once: after a
crash the rows since the last saved cursor come again. What makes the numbers right all the same is
that a row is written and counted in one transaction, which counts row n only if row n - 1 was the
last one counted. A row that comes again finds itself counted, and leaves everything alone.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timezone

from rq import Callback, Queue, get_current_job
from rq.exceptions import DuplicateJobError
from rq.job import Job
from sqlalchemy import Connection, bindparam, insert, update

# PostgreSQL's dialect has the same `insert`.
from sqlalchemy.dialects.sqlite import insert as insert_or_update
from sqlalchemy.orm import Session

from rq_steps import Step, continuable, step

from .database import engine
from .models import Contact, Import, RowError, Status
from .rows import Row, UnusableFileError, count_rows, rows_of

# Built once, since building a statement takes longer than running it.
COUNT_ROW = (
    update(Import)
    .where(Import.id == bindparam("import_id"), Import.processed == bindparam("row") - 1)
    .values(processed=bindparam("row"), errors=Import.errors + bindparam("failed"))
)
REPORT_ROW = insert(RowError)
_INSERT_CONTACT = insert_or_update(Contact)
_DETAILS = {name: _INSERT_CONTACT.excluded[name] for name in ("name", "since", "cents", "note")}
UPSERT_CONTACT = _INSERT_CONTACT.on_conflict_do_update(
    index_elements=[Contact.email], set_=_DETAILS | {"revision": Contact.revision + 1}
)


class IncompleteImportError(RuntimeError):
    """Not every row of the file has been counted: the file or the database was changed by hand."""


def enqueue_import(queue: Queue, path: str) -> tuple[int, Job]:
    """Note an import of the file in the database and enqueue its job: the import's id, the job."""
    with Session(engine()) as session, session.begin():
        import_ = Import(path=path)
        session.add(import_)
        session.flush()
        import_id = import_.id
    return import_id, queue.enqueue(process_import, import_id, on_failure=Callback(mark_failed))


@continuable
def process_import(import_id: int) -> str:
    """Import the file. Returns what became of it, in words.

    A file that cannot be used is for the one who uploaded it to put right, and they read the reason
    in the import. The job has done its work: it finishes, and nobody is paged. What nobody foresaw
    is raised, fails the job when resuming does not help, and fails the import by `mark_failed`.
    """
    refusal = validate(import_id)
    if refusal is not None:
        return f"refused: {refusal}"
    process_rows(import_id)
    return finalize(import_id)


@step
def validate(import_id: int) -> str | None:
    """Count the rows, or fail the import. Returns why it failed."""
    path = _enter(import_id, "validating")
    try:
        total = count_rows(path)
    except UnusableFileError as problem:
        _fail(import_id, str(problem))
        return str(problem)
    with Session(engine()) as session, session.begin():
        session.get_one(Import, import_id).total = total
    return None


@step
def process_rows(step: Step, import_id: int) -> None:
    """Write every row of the file to the database, each in a transaction of its own.

    The cursor is the place of the row in hand: after a deploy the file is read from its byte on,
    not from the beginning.
    """
    path = _enter(import_id, "processing")
    with engine().connect() as connection:
        step.guard(connection)
        for found in step.each(rows_of(path)):
            place = step.cursor
            row = Row(place["record"], place["line"], found)
            with connection.begin():
                write_row(connection, import_id, row)


@step
def finalize(import_id: int) -> str:
    """Complete the import and send the summary. Returns the import in words."""
    with Session(engine()) as session, session.begin():
        import_ = session.get_one(Import, import_id)
        if import_.processed != import_.total:
            raise IncompleteImportError(f"{import_.processed} of {import_.total} rows were counted")
        import_.status = "completed"
        import_.finished_at = import_.finished_at or _now()
        outcome = f"{import_.imported:,} rows imported, {import_.errors:,} not"
    _enqueue_summary(import_id)
    return outcome


def send_summary(import_id: int) -> str:
    """What an application would send as a mail. Returns its text."""
    with Session(engine()) as session:
        import_ = session.get_one(Import, import_id)
        counts = f"{import_.imported:,} rows imported, {import_.errors:,} to look at"
        return f"Your import is {import_.status}: {counts}."


def summary_id(job: Job) -> str:
    """The id of the job that sends the summary: the same in every execution."""
    return f"{job.id}-summary"


def write_row(connection: Connection, import_id: int, row: Row) -> None:
    """Write one row and count it, in the caller's transaction. Does nothing for a counted row."""
    values, messages = row.values()
    if not _count(connection, import_id, row, failed=bool(messages)):
        return
    if messages:
        report = {"import_id": import_id, "row": row.number, "line": row.line}
        connection.execute(REPORT_ROW, report | {"key": row.key, "messages": messages})
    else:
        connection.execute(UPSERT_CONTACT, values)


def mark_failed(
    job: Job, _connection: object, _type: object, error: BaseException, _trace: object
) -> None:
    """RQ's failure callback: called when the job has failed, never when it was interrupted."""
    _fail(job.args[0], str(error))


def _enter(import_id: int, status: Status) -> str:
    with Session(engine()) as session, session.begin():
        import_ = session.get_one(Import, import_id)
        import_.status = status
        import_.started_at = import_.started_at or _now()
        import_.finished_at = import_.message = None  # it may have failed, and been requeued
        return import_.path


def _fail(import_id: int, message: str) -> None:
    with Session(engine()) as session, session.begin():
        import_ = session.get_one(Import, import_id)
        import_.status = "failed"
        import_.message = message
        import_.finished_at = _now()


def _count(connection: Connection, import_id: int, row: Row, failed: bool) -> bool:
    counted = {"import_id": import_id, "row": row.number, "failed": int(failed)}
    return connection.execute(COUNT_ROW, counted).rowcount == 1


def _enqueue_summary(import_id: int) -> None:
    job = get_current_job()
    if job is None:  # called directly: there is no queue
        return
    queue = Queue(job.origin, connection=job.connection, serializer=job.serializer)
    # An execution that was killed right after this line has enqueued it before. The summary keeps
    # its id for as long as the import may take to come back.
    with suppress(DuplicateJobError):
        queue.enqueue(send_summary, import_id, job_id=summary_id(job), unique=True, result_ttl="1d")


def _now() -> datetime:
    return datetime.now(timezone.utc)

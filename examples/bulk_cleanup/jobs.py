"""The job: `clean_up` deletes old uploads with their files, batch by batch.

The file goes first: as long as its row is there, a file that is left is found again. One that is
gone already is no error: after a crash between the two the batch comes again. What is old was
decided when the clean-up was noted in the database, and is the same in each execution.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.orm import Session

from rq_steps import Step, continuable, step
from rq_steps.sources import batches, rows

from .models import Cleanup, Upload, engine

BATCH = 100  # uploads, whose rows are deleted in one transaction


@continuable(max_runtime=60)
def clean_up(cleanup_id: int) -> str:
    """Delete what is old to a clean-up that is in the database. Returns the counts, in words.

    Each minute it goes to the end of the queue, and lets other jobs through.
    """
    delete_old(cleanup_id)
    return count(cleanup_id)


@step
def delete_old(step: Step, cleanup_id: int) -> None:
    """Delete the old uploads, in the order of their id."""
    with Session(engine()) as session:
        before = session.get_one(Cleanup, cleanup_id).before
    old = select(Upload.id, Upload.path).where(Upload.uploaded_at < before)
    with engine().connect() as connection:
        step.guard(connection)
        for batch in step.each(batches(rows(old, connection), BATCH)):
            for upload in batch:
                Path(upload.path).unlink(missing_ok=True)
            with connection.begin():
                delete_rows(connection, cleanup_id, batch)


@step
def count(cleanup_id: int) -> str:
    """Count what was deleted and what is there."""
    with Session(engine()) as session:
        deleted = session.get_one(Cleanup, cleanup_id).deleted
        left = session.scalars(select(func.count(Upload.id))).one()
    return f"{deleted:,} uploads deleted, {left:,} left"


def delete_rows(connection: Connection, cleanup_id: int, batch: Sequence[Any]) -> None:
    """Delete rows and count them, in the caller's transaction: each is counted once."""
    of_batch = Upload.id.in_([upload.id for upload in batch])
    deleted = connection.execute(delete(Upload).where(of_batch)).rowcount
    of_cleanup = update(Cleanup).where(Cleanup.id == cleanup_id)
    connection.execute(of_cleanup.values(deleted=Cleanup.deleted + deleted))

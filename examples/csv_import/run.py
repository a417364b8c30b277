"""Imports a CSV file, and watches how it gets on.

    rq worker -w rq_steps.Worker imports               # in one terminal, or in several
    python -m examples.csv_import.run contacts.csv     # in another

`REDIS_URL` and `DATABASE_URL` say where, for both of them.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from redis import Redis
from rq import Queue
from rq.job import Job, JobStatus
from sqlalchemy.orm import Session

from .database import create_tables, engine
from .jobs import enqueue_import
from .models import Import
from .progress import Progress

ENDED = {JobStatus.FINISHED, JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED}
LOOK_EVERY = 0.05  # seconds


def main(path: Path) -> int:
    """Enqueue the import of a file and watch it to its end. Returns the exit status."""
    create_tables()
    redis = Redis.from_url(os.environ.get("REDIS_URL", "redis://localhost:6379"))
    import_id, job = enqueue_import(Queue("imports", connection=redis), str(path.resolve()))
    print(f"import {import_id} waits for a worker: rq worker -w rq_steps.Worker imports")
    with Progress("process_rows") as progress:
        for import_ in watch(import_id, job):
            progress.show(import_.processed, import_.total)
    return report(import_id)


def watch(import_id: int, job: Job) -> Iterator[Import]:
    """The import as it is now, again and again until its job has ended."""
    ended = False
    while not ended:
        ended = job.get_status() in ENDED
        with Session(engine()) as session:
            import_ = session.get_one(Import, import_id)
        yield import_
        time.sleep(LOOK_EVERY)


def report(import_id: int, errors: int = 10) -> int:
    """Print how it went, with the first errors. Returns the exit status."""
    with Session(engine()) as session:
        import_ = session.get_one(Import, import_id)
        print(f"{import_.status}: {import_.message or f'{import_.imported:,} rows imported'}")
        for error in import_.row_errors[:errors]:
            print(f"  line {error.line}, {error.key or 'no address'}: {'; '.join(error.messages)}")
        if import_.errors > errors:
            print(f"  and {import_.errors - errors:,} more")
        return 0 if import_.status == "completed" else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

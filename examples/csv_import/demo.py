"""Shows an import that outlives two deploys: `make demo`, or `python -m examples.csv_import.demo`.

It uses the server of `REDIS_URL` where that is set, with a queue of its own that it removes in the
end, else one that it starts for itself. File and database are in a temporary folder.
"""

from __future__ import annotations

import argparse
import ast
import os
import secrets
import signal
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from redis import Redis, RedisError
from rq import Queue
from rq.job import Job, JobStatus

from rq_steps.server import PrivateServer, ServerError

from .audit import Audit, audit
from .database import create_tables
from .jobs import enqueue_import, summary_id
from .models import Import
from .progress import Progress
from .run import ENDED, watch
from .sample import write_sample
from .worker import WorkerError, WorkerProcess

DEPLOYS = (1 / 3, 2 / 3)  # when this share of the rows is done
PATIENCE = 60  # seconds without a single row
ERRORS_SHOWN = 5

_say = partial(print, flush=True)


class DemoError(RuntimeError):
    """Something did not happen that had to."""


def main() -> int:
    """Run the demo. Returns the exit status: 0 if the database is as the file demands."""
    parser = argparse.ArgumentParser(description="Imports a CSV file across two deploys.")
    parser.add_argument("--rows", type=int, default=100_000, help="default: %(default)s")
    rows = parser.parse_args().rows
    signal.signal(signal.SIGTERM, lambda _signum, _frame: sys.exit(128 + signal.SIGTERM))
    try:
        with ExitStack() as stack:
            return _run(stack, rows)
    except KeyboardInterrupt:
        print("\nThe demo was stopped.", file=sys.stderr)
        return 128 + signal.SIGINT
    except (DemoError, WorkerError, ServerError, RedisError) as problem:
        print(f"\nThe demo failed: {problem}", file=sys.stderr)
        return 1


def _run(stack: ExitStack, rows: int) -> int:
    started = time.monotonic()
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="rq-steps-demo-")))
    file, database = folder / "contacts.csv", folder / "contacts.db"
    planted = write_sample(file, rows)
    _say(f"contacts.csv: {rows:,} rows, {len(planted):,} of them bad on purpose")

    os.environ["DATABASE_URL"] = f"sqlite:///{database}"  # the workers inherit it
    create_tables()
    url = os.environ.get("REDIS_URL") or stack.enter_context(PrivateServer()).url
    with Redis.from_url(url) as redis, Demo(redis, url, file) as demo:
        demo.run()

    found = audit(file, database, planted)
    _show(found)
    _say(f"\n{time.monotonic() - started:.0f} seconds in all")
    return 1 if found.problems() else 0


class Demo:
    """One import, and the workers that have it in turn."""

    def __init__(self, redis: Redis, url: str, file: Path) -> None:
        self._redis = redis
        self._url = url
        self._folder = file.parent
        self._queue = Queue(f"rq-steps-demo-{secrets.token_hex(4)}", connection=redis)
        self._import_id, self._job = enqueue_import(self._queue, str(file))
        self._progress = Progress("  process_rows")
        self._workers: list[WorkerProcess] = []

    def __enter__(self) -> Demo:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.end()
        # The server may be somebody else's: only what is ours is removed.
        for job in Job.fetch_many([self._job.id, summary_id(self._job)], self._redis):
            if job is not None:
                job.delete()
        self._queue.delete()

    @property
    def _worker(self) -> WorkerProcess:
        return self._workers[-1]

    def run(self) -> None:
        """Import the file, with a deploy at each of DEPLOYS."""
        self._start_worker()
        self._worker.wait_for("step 'validate' completed")
        _say(f"  validate: {next(watch(self._import_id, self._job)).total:,} rows")
        for number, share in enumerate(DEPLOYS, 1):
            import_ = self._follow(share)
            self._deploy(number, import_.total)
        import_ = self._follow()
        if import_.status != "completed":
            raise self._worker.failed(f"left the import {import_.status}")
        _say(f"  finalize: {self._job.return_value()}")
        _say(f"  follow-up: {self._follow_up()}")
        meta = self._job.get_meta()["rq_steps"]
        _say(f"  job.meta: {meta['executions']} executions, {meta['resumptions']} resumptions")

    def _start_worker(self) -> None:
        number = len(self._workers) + 1
        worker = WorkerProcess(number, self._url, self._queue.name, self._folder)
        self._workers.append(worker)
        _say(f"\n$ {worker.command}   # worker {number}, pid {worker.pid}")

    def _follow(self, share: float | None = None) -> Import:
        """Show how the import gets on until this share of it is done, or its job has ended."""
        processed, changed = 0, time.monotonic()
        with self._progress:
            for import_ in watch(self._import_id, self._job):
                self._progress.show(import_.processed, import_.total)
                if share and import_.total and import_.processed >= share * import_.total:
                    break
                if import_.processed > processed:
                    processed, changed = import_.processed, time.monotonic()
                if not self._worker.running or time.monotonic() > changed + PATIENCE:
                    raise self._worker.failed("does not get on with the import")
        return import_

    def _deploy(self, number: int, total: int) -> None:
        """Replace the worker, in the middle of its work, by a new one."""
        old, sent = self._worker, time.monotonic()
        seconds = old.stop()
        stopped = _place(old, "interrupted")
        done = stopped["record"] - 1
        _say(f"  deploy {number}: SIGTERM to worker {old.number}, gone in {seconds:.2f} s")
        _say(f"  interrupted after row {done:,}, with {total - done:,} rows left")
        self._start_worker()
        resumed = _place(self._worker, "resumed")
        seconds = time.monotonic() - sent
        row, offset = resumed["record"], resumed["offset"]
        _say(f"  resumed at row {row:,} (byte {offset:,}), {seconds:.1f} s after the SIGTERM")
        if resumed != stopped:
            raise DemoError(f"resumed at {resumed}, and not at {stopped}")

    def _follow_up(self) -> str:
        job = Job.fetch(summary_id(self._job), connection=self._redis)
        end = time.monotonic() + PATIENCE
        while job.get_status() not in ENDED and time.monotonic() < end:
            time.sleep(0.05)
        if job.get_status() != JobStatus.FINISHED or len(job.results()) != 1:
            raise DemoError(f"the follow-up job is {job.get_status()}")
        return str(job.return_value())


def _place(worker: WorkerProcess, turn: str) -> dict[str, Any]:
    """The cursor at this turn, as the worker has logged it: the row to come."""
    logged = worker.wait_for(rf"{turn} at 'process_rows', cursor (\{{.*?\}})")[1]
    place: dict[str, Any] = ast.literal_eval(logged)
    return place


def _show(found: Audit) -> None:
    _say("\nCounted in the database against the CSV, independently of the import:")
    for label, count in (
        ("rows in the CSV", found.rows),
        ("rows imported", found.imported),
        ("contacts", found.contacts),
        ("bad rows reported", len(found.reported)),
        ("duplicates", found.duplicates),
        ("missing", found.missing),
        ("wrong", found.wrong),
    ):
        _say(f"  {label:<18} {count:>9,}")
    _say(f"\nThe first of the {len(found.reported):,} bad rows:")
    for bad in found.reported[:ERRORS_SHOWN]:
        _say(f"  line {bad.line}: {'; '.join(bad.messages)}")
    for problem in found.problems():
        _say(f"\nWRONG: {problem}")


if __name__ == "__main__":
    sys.exit(main())

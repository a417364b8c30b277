"""A worker of a newer rq_steps, which writes records of a version that is unknown as yet."""

from __future__ import annotations

from rq_steps import SimpleWorker, Worker, record

VERSION = record.VERSION + 1

record.VERSION = VERSION

__all__ = ["SimpleWorker", "Worker"]

"""Interrupted is not failed, for what only RQ 3 has: rate limits and webhooks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import rq.worker
from redis import Redis
from rq import Queue
from rq.job import Job
from rq.rate_limit import RateLimit, RateLimitRegistry
from rq.webhook import Webhook

import rq_steps
from rq_steps.recovery import recover
from tests.crash.scene import job_without_worker
from tests.processes import jobs, restless
from tests.processes.restless import WAYS, status, work_once, work_until_done
from tests.workers import wait_until

AT_ONCE = [way for way in WAYS if way != "waiting"]
ONE = RateLimit("imports", concurrency=1)


@pytest.fixture
def slots(connection: Redis) -> RateLimitRegistry:
    return RateLimitRegistry("imports", connection)


@pytest.mark.parametrize("way", AT_ONCE)
def test_a_job_that_is_requeued_at_once_keeps_its_slot(
    way: str, queue: Queue, connection: Redis, slots: RateLimitRegistry
) -> None:
    job = queue.enqueue(restless.restless, way, rate_limit=ONE)
    other = queue.enqueue(jobs.plain, 0, rate_limit=ONE)
    for _ in work_until_done(job):
        if status(job) == "queued":
            assert slots.get_allowed_job_ids() == [job.id]
            assert (queue.job_ids, status(other)) == ([job.id], "rate_limited")
    assert slots.get_allowed_job_ids() == [other.id]
    assert queue.job_ids == [other.id]


@pytest.mark.parametrize("resume_queue", [None, "other"])
def test_a_job_that_died_keeps_its_slot(
    resume_queue: str | None, queue: Queue, connection: Redis, slots: RateLimitRegistry
) -> None:
    job = job_without_worker(queue, resume_queue=resume_queue, rate_limit=ONE)
    other = queue.enqueue(jobs.plain, 0, rate_limit=ONE)
    recover(queue, job.id)
    assert slots.get_allowed_job_ids() == [job.id]
    assert status(other) == "rate_limited"
    work_once(connection, resume_queue or "default")
    assert slots.get_allowed_job_ids() == [other.id] == queue.job_ids


def test_a_job_that_died_too_often_gives_its_slot_to_others(
    queue: Queue, slots: RateLimitRegistry
) -> None:
    job = job_without_worker(queue, max_resumptions=0, rate_limit=ONE)
    other = queue.enqueue(jobs.plain, 0, rate_limit=ONE)
    recover(queue, job.id)
    assert status(job) == "failed"
    assert slots.get_allowed_job_ids() == [other.id] == queue.job_ids


def test_a_job_that_waits_gives_its_slot_to_others_and_gets_one_again(
    queue: Queue, connection: Redis, slots: RateLimitRegistry
) -> None:
    job = queue.enqueue(restless.restless, "waiting", rate_limit=ONE)
    other = queue.enqueue(jobs.plain, 0, rate_limit=ONE)
    work_once(connection)
    assert slots.get_allowed_job_ids() == [other.id] == queue.job_ids
    wait_until_rate_limited(queue, job)
    assert slots.get_allowed_job_ids() == [other.id] == queue.job_ids
    work_once(connection)
    assert slots.get_allowed_job_ids() == [job.id] == queue.job_ids


def wait_until_rate_limited(queue: Queue, job: Job) -> None:
    """Have an idle worker look until the wait is over, and the job waits for a slot."""
    worker = rq_steps.Worker([queue], connection=queue.connection)
    worker.promotion_interval = 0

    def waits_for_a_slot() -> bool:
        worker.heartbeat()
        return status(job) == "rate_limited"

    wait_until(waits_for_a_slot, "the wait of the job does not end")


def test_a_job_that_comes_back_from_a_wait_takes_a_free_slot_at_once(
    queue: Queue, connection: Redis, slots: RateLimitRegistry
) -> None:
    job = queue.enqueue(restless.restless, "waiting", rate_limit=ONE)
    work_once(connection)
    assert slots.get_allowed_job_ids() == []
    for _ in work_until_done(job):
        assert slots.get_allowed_job_ids() == []
    assert job.is_finished


@pytest.mark.parametrize("worker_class", [rq_steps.SimpleWorker, rq_steps.Worker])
def test_a_job_that_is_canceled_while_it_runs_gives_its_slot_to_the_next(
    worker_class: type[rq.worker.BaseWorker],
    queue: Queue,
    connection: Redis,
    slots: RateLimitRegistry,
) -> None:
    queue.enqueue(jobs.canceling_itself, rate_limit=ONE)
    other = queue.enqueue(jobs.plain, 0, rate_limit=ONE)
    work_once(connection, worker_class=worker_class)
    assert slots.get_allowed_job_ids() == [other.id] == queue.job_ids


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fails", [False, True])
def test_webhooks_are_sent_once_and_only_at_the_end(
    fails: bool, way: str, queue: Queue, mailbox: Mailbox
) -> None:
    hooks = [Webhook(mailbox.url, when, method="POST") for when in ("finished", "failed")]
    job = queue.enqueue(restless.restless, way, fails=fails, webhooks=hooks)
    for _ in work_until_done(job):
        if status(job) in ("queued", "scheduled"):
            assert mailbox.received == []
    assert mailbox.received == [(job.id, "failed" if fails else "finished")]


class Mailbox:
    """Receives webhooks."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str]] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                received.append((body["job_id"], body["status"]))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    mailbox = Mailbox()
    thread = threading.Thread(target=mailbox.server.serve_forever, args=(0.01,))
    thread.start()
    yield mailbox
    mailbox.server.shutdown()
    thread.join()
    mailbox.server.server_close()

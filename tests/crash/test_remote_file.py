"""A worker dies over a file that is far away: the next one fetches what is left of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from rq import Queue
from rq.job import Job

from tests.crash.jobs import Scene, import_from_the_web
from tests.web import Served, Web, served
from tests.workers import WorkerProcess, Workers, wait_until

COUNT, PLACE = 100_000, 99_990
LINE = 9
BEFORE = 256


@pytest.fixture
def web() -> Iterator[Web]:
    with served() as web:
        web.serve("numbers", b"".join(b"%08d\n" % number for number in range(COUNT)))
        yield web


def enqueue(queue: Queue, scene: Scene, web: Web, happening: str) -> Job:
    url = web.url_of("numbers")
    return queue.enqueue(import_from_the_web, str(scene.folder), url, PLACE, happening)


def work_until_finished(running: WorkerProcess, job: Job) -> None:
    wait_until(lambda: job.get_status() == "finished", "the job was not done")
    running.terminate()
    running.wait()


def assert_gone_on_at_the_offset(scene: Scene, file: Served) -> None:
    assert scene.visits == [PLACE, *range(PLACE, COUNT)]
    places = [each.begin for each in file.requests if each.method == "GET"]
    again = places.index(PLACE * LINE - BEFORE)
    assert max(places[:again]) > COUNT * LINE / 4, "it had not been read up to there before"
    assert not any(places[again:][1:]), "more was fetched than what is left"


def test_a_horse_that_follows_a_dead_one_goes_on_at_the_byte_offset(
    worker: Workers, queue: Queue, scene: Scene, web: Web
) -> None:
    job = enqueue(queue, scene, web, "die_once")
    work_until_finished(worker(), job)
    assert_gone_on_at_the_offset(scene, web.files["numbers"])


def test_so_does_another_worker_when_worker_and_horse_are_killed(
    quick_worker: Callable[..., WorkerProcess], queue: Queue, scene: Scene, web: Web
) -> None:
    job = enqueue(queue, scene, web, "hold")
    lost = quick_worker()
    wait_until(lambda: scene.is_held, "the job did not come there")
    lost.kill_tree()
    work_until_finished(quick_worker(), job)
    assert_gone_on_at_the_offset(scene, web.files["numbers"])

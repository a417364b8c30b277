"""A work-horse dies over a file that is far away: the next one fetches what is left of it."""

from __future__ import annotations

from rq import Queue

from tests.crash.jobs import Scene, import_from_the_web
from tests.web import served
from tests.workers import Workers, wait_until

COUNT, PLACE = 100_000, 99_990
LINE = 9
BEFORE = 256


def test_it_goes_on_at_the_byte_offset(worker: Workers, queue: Queue, scene: Scene) -> None:
    with served() as web:
        file = web.serve("numbers", b"".join(b"%08d\n" % number for number in range(COUNT)))
        job = queue.enqueue(import_from_the_web, str(scene.folder), web.url_of("numbers"), PLACE)
        running = worker()
        wait_until(lambda: job.get_status() == "finished", "the job was not done")
        running.terminate()
        running.wait()
    assert scene.visits == [PLACE, *range(PLACE, COUNT)]
    places = [each.begin for each in file.requests if each.method == "GET"]
    again = places.index(PLACE * LINE - BEFORE)
    assert max(places[:again]) > COUNT * LINE / 4, "it had not been read up to there before"
    assert not any(places[again:][1:]), "it was not gone on with at the offset"

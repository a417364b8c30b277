"""What depends on the version of RQ."""

from __future__ import annotations

import pytest
from redis import Redis
from rq.worker import BaseWorker

import rq_steps
from tests.processes.classes import OverSpawning


@pytest.mark.parametrize("worker_class", [rq_steps.SpawnWorker, OverSpawning])
def test_a_spawn_worker_refuses_an_rq_that_spawns_a_worker_of_its_own(
    worker_class: type[BaseWorker], connection: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rq_steps.worker.VERSION", "2.12.0")
    worker = worker_class(["default"], connection=connection)
    with pytest.raises(RuntimeError, match=r"Spawn\w+ needs RQ 3, found 2\.12\.0, whose"):
        worker.work(burst=True)

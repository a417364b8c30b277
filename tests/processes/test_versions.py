"""What depends on the version of RQ."""

from __future__ import annotations

import pytest
from redis import Redis

import rq_steps


def test_a_spawn_worker_refuses_an_rq_that_spawns_a_worker_of_its_own(
    connection: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rq_steps.worker.VERSION", "2.12.0")
    worker = rq_steps.SpawnWorker(["default"], connection=connection)
    with pytest.raises(RuntimeError, match=r"rq_steps\.SpawnWorker needs RQ 3, found 2\.12\.0"):
        worker.work(burst=True)

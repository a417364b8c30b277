"""The workers that the gremlin kills, and that are started anew as an init would do."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import psutil

from tests.workers import ROOT, WorkerProcess


class Recipe(NamedTuple):
    """How a worker is started."""

    worker_class: str
    queues: tuple[str, ...]
    pool: int = 0
    """As many workers in one pool; 0: a worker without one."""

    @property
    def kind(self) -> str:
        return "pool" if self.pool else "worker"

    def command(self, name: str, url: str) -> list[str]:
        """The command line. A pool names its workers itself."""
        rq = [sys.executable, "-m", "rq.cli", "worker-pool" if self.pool else "worker"]
        own = ["--num-workers", str(self.pool)] if self.pool else ["--name", name]
        return [*rq, "--url", url, "--worker-class", self.worker_class, *own, *self.queues]


class Victim(NamedTuple):
    """A worker that lives, with the work-horse that it may have."""

    worker: int
    horse: int | None
    leader: int
    """The process that was started: the worker itself, or the pool that it belongs to."""

    @property
    def executes(self) -> int:
        """The process in which a job would run."""
        return self.worker if self.horse is None else self.horse

    @property
    def processes(self) -> tuple[int, ...]:
        return (self.worker,) if self.horse is None else (self.horse, self.worker)


class Gone(NamedTuple):
    """A worker, or a pool, that has ended."""

    name: str
    pid: int
    started: float
    output: str
    asked_to_end: bool = False
    """When all was over."""


@dataclass
class _Place:
    recipe: Recipe
    process: WorkerProcess | None = None
    started: float = 0.0
    listening: bool = False


class _Process(NamedTuple):
    pid: int
    parent: int
    group: int


@dataclass
class Fleet:
    """Keeps a worker in each place.

    Args:
        url: the server that they work for.
        folder: where they run and where their output goes.
        recipes: one for each place.
        environment: further environment variables for all of them.
    """

    url: str
    folder: Path
    recipes: Sequence[Recipe]
    environment: Mapping[str, str]
    gone: list[Gone] = field(default_factory=list)
    """All that have ended, in the order in which that was seen."""

    def __post_init__(self) -> None:
        self._places = [_Place(recipe) for recipe in self.recipes]
        self._numbers = count(1)

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_error: object) -> None:
        for place in self._places:
            if place.process is not None:
                place.process.kill_tree()

    def refill(self) -> None:
        """Start a new worker in each place whose worker has ended and left nothing behind."""
        for place in self._places:
            if place.process is None or self._has_ended(place.process):
                self._bury(place)
                self._start(place)

    def victims(self) -> list[Victim]:
        """All workers that have begun to look for jobs."""
        sessions = _sessions()
        return [
            victim
            for place in self._places
            if place.process is not None and self._listens(place)
            for victim in _victims(place.process.pid, sessions.get(place.process.pid, []), place)
        ]

    def leaders(self, *, pools: bool) -> list[WorkerProcess]:
        """The processes that run, pools only or all."""
        return [
            place.process
            for place in self._places
            if place.process is not None
            and place.process.running
            and (place.recipe.pool or not pools)
        ]

    def stop(self, wait_until: Callable[[Callable[[], bool], str], object]) -> None:
        """Ask all of them to end, and see that they do."""
        for leader in self.leaders(pools=False):
            leader.terminate()
        wait_until(
            lambda: not any(self._is_left(place) for place in self._places),
            "a worker that was asked to end has not",
        )
        for place in self._places:
            self._bury(place, asked_to_end=True)

    def _is_left(self, place: _Place) -> bool:
        return place.process is not None and not self._has_ended(place.process)

    def _has_ended(self, process: WorkerProcess) -> bool:
        return not process.running and not process.processes

    def _bury(self, place: _Place, *, asked_to_end: bool = False) -> None:
        process, place.process = place.process, None
        if process is not None:
            gone = Gone(process.name, process.pid, place.started, process.output, asked_to_end)
            self.gone.append(gone)

    def _start(self, place: _Place) -> None:
        name = f"{place.recipe.kind}-{next(self._numbers)}"
        place.started, place.listening = monotonic(), False
        command, log = place.recipe.command(name, self.url), self.folder / f"{name}.log"
        place.process = WorkerProcess(name, command, log, self._environment(), self.folder)

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        return os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"} | dict(self.environment)

    def _listens(self, place: _Place) -> bool:
        assert place.process is not None
        place.listening = place.listening or "Listening on" in place.process.output
        return place.listening


def _victims(leader: int, session: list[_Process], place: _Place) -> Iterator[Victim]:
    horses = {each.parent: each.pid for each in session if each.group == each.pid != leader}
    for each in session:
        is_worker = each.pid == leader if not place.recipe.pool else each.parent == leader
        if is_worker:
            yield Victim(each.pid, horses.get(each.pid), leader)


def _sessions() -> dict[int, list[_Process]]:
    """The living processes, by the leader of their session."""
    sessions: dict[int, list[_Process]] = {}
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            found = _Process(process.pid, process.ppid(), os.getpgid(process.pid))
            sessions.setdefault(os.getsid(process.pid), []).append(found)
        except (psutil.NoSuchProcess, ProcessLookupError):
            continue
    return sessions

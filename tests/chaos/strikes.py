"""What the gremlin did, for the verdict to hold against what the jobs wrote down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import NamedTuple

from tests.chaos.clerk import VANISHED_AFTER
from tests.chaos.fleet import Victim

COLD = "SIGTERM twice"
"""The horse is frozen meanwhile."""

KILLS = (
    "SIGTERM worker",
    "SIGTERM horse",
    "SIGTERM both",
    COLD,
    "SIGTERM pool",
    "SIGKILL horse",
    "SIGKILL worker",
    "SIGKILL both",
    "SIGKILL idle worker",
    "SIGKILL pool",
    "SIGTERM server",
    "SIGKILL server",
)
STOPS = ("SIGSTOP worker", "SIGSTOP horse", "SIGSTOP both", "SIGSTOP server")
JOBS = ("cancel", "cancel and requeue", "look at registries")
KINDS = (*KILLS, *STOPS, *JOBS)

TELLING = ("SIGTERM worker", "SIGTERM horse", "SIGTERM both", "SIGKILL worker")
"""They tell the job to leave."""

_LOSING = frozenset((COLD, "SIGKILL horse", "SIGKILL both", "SIGKILL pool", "SIGKILL idle worker"))
"""They may cost the work of `save_every`, as being frozen may."""


class Interval(NamedTuple):
    """Seconds on the monotonic clock."""

    begin: float
    end: float

    def within(self, begin: float, end: float) -> float:
        """How much of it lies between the two."""
        return max(0.0, min(self.end, end) - max(self.begin, begin))


@dataclass
class Strike:
    """One deed. Where it lasts (a freeze, a server that is away), it has an end."""

    kind: str
    at: float
    pids: tuple[int, ...] = ()
    job: str | None = None
    until: float | None = None
    told: Victim | None = None
    """Whose job is to leave at its next checkpoint."""

    @property
    def interval(self) -> Interval:
        return Interval(self.at, inf if self.until is None else self.until)

    @property
    def is_of_server(self) -> bool:
        return self.kind.endswith("server")

    @property
    def is_freeze(self) -> bool:
        return (self.kind in STOPS or self.kind == COLD) and not self.is_of_server

    @property
    def lasts(self) -> bool:
        return self.is_freeze or self.is_of_server

    def hits(self, pid: int) -> bool:
        """Did it reach the process, or the job that runs in it?"""
        return pid in self.pids or (self.told is not None and self.told.executes == pid)

    def touches(self, begin: float, end: float) -> bool:
        """Did it fall into this time, or last into it?"""
        return self.at <= end and begin <= (self.interval.end if self.lasts else self.at)


@dataclass
class Strikes:
    """All of them, in the order of time."""

    all: list[Strike] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, strike: Strike) -> Strike:
        self.all.append(strike)
        return strike

    @property
    def kinds(self) -> Counter[str]:
        return Counter(strike.kind for strike in self.all)

    @property
    def kills(self) -> int:
        return sum(self.kinds[kind] for kind in KILLS)

    def write(self, path: Path) -> None:
        """For people."""
        path.write_text("".join(f"{strike}\n" for strike in self.all))

    def on(self, pid: int, begin: float, end: float) -> Iterator[Strike]:
        """What a process went through in this time."""
        return (each for each in self.all if each.hits(pid) and each.touches(begin, end))

    def frozen(self, pid: int, begin: float, end: float) -> float:
        """For how many seconds of this time a process could do nothing."""
        freezes = (each.interval for each in self.all if each.is_freeze and pid in each.pids)
        return _covered(freezes, begin, end)

    def outages(self, begin: float, end: float) -> bool:
        """Was the server away in this time?"""
        return any(each.is_of_server and each.touches(begin, end) for each in self.all)

    def away(self, begin: float, end: float) -> float:
        """For how many seconds of this time the server was away."""
        return _covered((each.interval for each in self.all if each.is_of_server), begin, end)

    def canceled(self, job: str, begin: float, end: float) -> bool:
        """A worker may have had the job in its hands before, and begins it only then."""
        begin -= VANISHED_AFTER
        return any(each.job == job and begin <= each.at <= end for each in self.all)

    def put_back(self, job: str, begin: float, end: float) -> bool:
        """Was the job canceled and put back in this time?"""
        strikes = (each for each in self.all if each.kind == "cancel and requeue")
        return any(each.job == job and begin <= each.at <= end for each in strikes)

    def explain_loss(self, pid: int, job: str, begin: float, end: float) -> bool:
        """May what a process did in this time have to be done again?"""
        hits = any(hit.kind in _LOSING or hit.is_freeze for hit in self.on(pid, begin, end))
        return hits or self.outages(begin, end) or self.canceled(job, begin, end)

    def explain_double(self, workers: Iterable[int], end: float) -> bool:
        """May one of two workers have had the job in its hands while another one was given it?

        It was frozen with it, or waited for the server, for so long that it counted as lost.
        """
        begin = end - VANISHED_AFTER
        frozen = (hit.is_freeze for pid in workers for hit in self.on(pid, begin, end))
        return any(frozen) or self.outages(begin, end)


def _covered(intervals: Iterable[Interval], begin: float, end: float) -> float:
    """The length of their union, within the two."""
    covered, reached = 0.0, begin
    for each in sorted(intervals):
        covered += Interval(max(each.begin, reached), each.end).within(begin, end)
        reached = max(reached, each.end)
    return covered

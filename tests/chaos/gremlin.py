"""Does at random moments what systems do to workers, servers and jobs."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import TypeAlias, TypeVar

from redis import Redis

from rq_steps.server import PrivateServer
from tests.chaos.clerk import Clerk
from tests.chaos.fleet import Fleet, Victim
from tests.chaos.strikes import TELLING, Strike, Strikes

T = TypeVar("T")
Whom: TypeAlias = Callable[[Victim], Sequence[int]]

COLD_AFTER = 1.1
"""RQ takes a second signal within a second for the first one."""


@dataclass
class _Frozen:
    strike: Strike
    due: float


class Gremlin:
    """Strikes at random; a strike that lasts is ended by a later one's `end_what_is_due`.

    Args:
        dice: all that is random comes from here.
        longest_freeze: seconds; beyond a lease, so that somebody else takes the job over.
    """

    def __init__(
        self,
        dice: random.Random,
        fleet: Fleet,
        server: PrivateServer,
        clerk: Clerk,
        *,
        longest_freeze: float,
        longest_outage: float,
    ) -> None:
        self.strikes = Strikes()
        self._dice = dice
        self._fleet = fleet
        self._server = server
        self._clerk = clerk
        self._longest_freeze = longest_freeze
        self._longest_outage = longest_outage
        self._frozen: list[_Frozen] = []
        self._asked: list[tuple[float, Victim]] = []
        self._pause = threading.Event()
        self._deeds: dict[str, tuple[float, Callable[[str], None]]] = {
            "SIGTERM worker": (10, self._terminate_worker),
            "SIGTERM horse": (8, self._terminate_horse),
            "SIGTERM both": (8, self._terminate_both),
            "SIGTERM twice": (4, self._terminate_twice),
            "SIGTERM pool": (2, self._terminate_pool),
            "SIGKILL horse": (30, self._kill_horse),
            "SIGKILL worker": (10, self._kill_worker),
            "SIGKILL both": (10, self._kill_both),
            "SIGKILL idle worker": (4, self._kill_idle),
            "SIGKILL pool": (2, self._kill_pool),
            "SIGTERM server": (0.7, self._restart_server),
            "SIGKILL server": (0.7, self._restart_server),
            "SIGSTOP worker": (2, self._freeze_worker),
            "SIGSTOP horse": (3, self._freeze_horse),
            "SIGSTOP both": (3, self._freeze_both),
            "SIGSTOP server": (1, self._freeze_server),
            "cancel": (1.5, self._cancel),
            "cancel and requeue": (3, self._cancel_and_requeue),
            "look at registries": (2, self._look),
        }

    @property
    def kinds(self) -> list[str]:
        return list(self._deeds)

    def strike(self, kind: str | None = None) -> None:
        """Do one deed. Nothing happens where nobody is there to suffer it."""
        if kind is None:
            weights = [weight for weight, _ in self._deeds.values()]
            [kind] = self._dice.choices(self.kinds, weights)
        _, deed = self._deeds[kind]
        deed(kind)

    def end_what_is_due(self) -> None:
        """Thaw what was frozen for long enough, and ask for the second time whom that is due."""
        now = monotonic()
        for frozen in [each for each in self._frozen if each.due <= now]:
            self._thaw(frozen)
        for due in [each for each in self._asked if each[0] <= now]:
            self._asked.remove(due)
            self._ask_again(due[1])

    def rest(self) -> None:
        """End all that lasts."""
        for frozen in list(self._frozen):
            self._thaw(frozen)
        self._asked.clear()

    # Workers and horses

    def _terminate_worker(self, kind: str) -> None:
        self._signal(kind, signal.SIGTERM, self._victim(), lambda victim: [victim.worker])

    def _terminate_horse(self, kind: str) -> None:
        self._signal(kind, signal.SIGTERM, self._busy(), _horse)

    def _terminate_both(self, kind: str) -> None:
        self._signal(kind, signal.SIGTERM, self._busy(), self._shuffled)

    def _terminate_twice(self, kind: str) -> None:
        """The horse is frozen, or it would be gone before the second signal."""
        victim = self._busy()
        if victim is None or victim.horse is None or not _send(signal.SIGSTOP, victim.horse):
            return
        _send(signal.SIGTERM, victim.worker)
        until = monotonic() + COLD_AFTER
        strike = self.strikes.add(Strike(kind, monotonic(), victim.processes))
        self._asked.append((until, victim))
        self._frozen.append(_Frozen(strike, until + COLD_AFTER))

    def _terminate_pool(self, kind: str) -> None:
        for leader in self._fleet.leaders(pools=True):
            self.strikes.add(Strike(kind, monotonic(), tuple(leader.processes)))
            leader.terminate()

    def _kill_horse(self, kind: str) -> None:
        self._signal(kind, signal.SIGKILL, self._busy(), _horse)

    def _kill_worker(self, kind: str) -> None:
        self._signal(kind, signal.SIGKILL, self._busy(), lambda victim: [victim.worker])

    def _kill_both(self, kind: str) -> None:
        self._signal(kind, signal.SIGKILL, self._busy(), self._shuffled)

    def _kill_idle(self, kind: str) -> None:
        """Idle, or without a horse at any time."""
        victims = [each for each in self._fleet.victims() if each.horse is None]
        self._signal(kind, signal.SIGKILL, self._one(victims), lambda victim: [victim.worker])

    def _kill_pool(self, kind: str) -> None:
        for leader in self._fleet.leaders(pools=True):
            self.strikes.add(Strike(kind, monotonic(), tuple(leader.processes)))
            leader.kill_tree()

    def _freeze_worker(self, kind: str) -> None:
        self._freeze(kind, self._victim(), lambda victim: [victim.worker])

    def _freeze_horse(self, kind: str) -> None:
        self._freeze(kind, self._busy(), _horse)

    def _freeze_both(self, kind: str) -> None:
        self._freeze(kind, self._busy(), self._shuffled)

    # The server

    def _restart_server(self, kind: str) -> None:
        self._thaw_server()
        strike = self.strikes.add(Strike(kind, monotonic()))
        if kind == "SIGKILL server":
            self._server.kill()
        else:
            self._server.stop()
        self._pause.wait(self._dice.uniform(0, self._longest_outage))
        self._server.start()
        keep_every_write(self._clerk.redis)
        strike.until = monotonic()

    def _freeze_server(self, kind: str) -> None:
        """For so long nothing else happens: the gremlin itself would wait for the server."""
        pid = self._server.pid
        if pid is None:
            return
        strike = self.strikes.add(Strike(kind, monotonic(), (pid,)))
        _send(signal.SIGSTOP, pid)
        self._pause.wait(self._dice.uniform(0, self._longest_outage))
        _send(signal.SIGCONT, pid)
        strike.until = monotonic()

    def _thaw_server(self) -> None:
        if self._server.pid is not None:
            _send(signal.SIGCONT, self._server.pid)

    # Jobs

    def _cancel(self, kind: str) -> None:
        name = self._one(self._clerk.running)
        if name is not None and self._clerk.cancel(name):
            self.strikes.add(Strike(kind, monotonic(), job=name))
            self._clerk.strike_off(name)

    def _cancel_and_requeue(self, kind: str) -> None:
        name = self._one(self._clerk.running)
        if name is not None and self._clerk.cancel(name):
            self.strikes.add(Strike(kind, monotonic(), job=name))
            self._pause.wait(self._dice.choice((0, self._dice.uniform(0, 0.5))))
            self._clerk.requeue_canceled(name)

    def _look(self, kind: str) -> None:
        self.strikes.add(Strike(kind, monotonic()))
        self._clerk.look_at_registries()

    # Who, and how

    def _victim(self) -> Victim | None:
        return self._one(self._fleet.victims())

    def _busy(self) -> Victim | None:
        """One with a work-horse."""
        return self._one([each for each in self._fleet.victims() if each.horse is not None])

    def _one(self, among: Sequence[T]) -> T | None:
        return self._dice.choice(among) if among else None

    def _shuffled(self, victim: Victim) -> list[int]:
        """Sometimes the worker first, sometimes the horse."""
        return self._dice.sample(victim.processes, len(victim.processes))

    def _signal(
        self, kind: str, how: signal.Signals, victim: Victim | None, whom: Whom
    ) -> Strike | None:
        if victim is None:
            return None
        pids = whom(victim)
        told = victim if kind in TELLING else None
        strike = Strike(kind, monotonic(), tuple(pids), told=told)
        hit = [_send(how, pid) for pid in pids]
        return self.strikes.add(strike) if any(hit) else None

    def _freeze(self, kind: str, victim: Victim | None, whom: Whom) -> None:
        strike = self._signal(kind, signal.SIGSTOP, victim, whom)
        if strike is not None:
            due = monotonic() + self._dice.uniform(0, self._longest_freeze)
            self._frozen.append(_Frozen(strike, due))

    def _thaw(self, frozen: _Frozen) -> None:
        self._frozen.remove(frozen)
        others = {pid for each in self._frozen for pid in each.strike.pids}
        for pid in frozen.strike.pids:
            if pid not in others:
                _send(signal.SIGCONT, pid)
        frozen.strike.until = monotonic()

    def _ask_again(self, victim: Victim) -> None:
        _send(signal.SIGTERM, victim.worker)


def keep_every_write(redis: Redis) -> None:
    """What the server has acknowledged survives its death: else a second of it may be lost."""
    redis.config_set("appendfsync", "always")


def _horse(victim: Victim) -> list[int]:
    return [] if victim.horse is None else [victim.horse]


def _send(how: signal.Signals, pid: int) -> bool:
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return False
    return True

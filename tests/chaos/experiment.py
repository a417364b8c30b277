"""One run: workers, a server, jobs, and the gremlin among them."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError
from redis.retry import Retry
from rq import Queue

from rq_steps.server import PrivateServer
from tests.chaos.clerk import Clerk
from tests.chaos.fleet import Fleet, Recipe
from tests.chaos.gremlin import Gremlin, keep_every_write
from tests.chaos.jobs import create_table
from tests.chaos.journal import progress
from tests.chaos.leftovers import leftovers
from tests.chaos.verdict import Verdict, judge

QUEUES = ("imports", "exports")
RECIPES = (
    Recipe("rq_steps.Worker", ("imports",)),
    Recipe("rq_steps.Worker", ("exports",)),
    Recipe("rq_steps.Worker", ("imports", "exports")),
    Recipe("rq_steps.Worker", ("exports", "imports")),
    Recipe("rq_steps.SimpleWorker", ("imports", "exports")),
    Recipe("rq_steps.Worker", ("exports", "imports"), pool=2),
)
JOBS = 5
"""Fewer than workers, so that a job that was put back need not wait for one."""
LEASE = 2.0
ENVIRONMENT = {"RQ_STEPS_LEASE": str(LEASE)}


class Stuck(RuntimeError):
    """What had to happen did not."""


class Stopped(Exception):
    """Somebody has asked the run to end."""


@dataclass(frozen=True)
class Plan:
    """How long a run is: it ends with whatever comes first, once every kind has struck.

    Args:
        seed: of all that is random in the gremlin and the orders.
        seconds: of striking; what has begun is then brought to its end.
        kills: after which it is enough.
        lines: of the journals, between two strikes: at most so many.
    """

    seed: int
    seconds: float
    kills: int | None = None
    lines: int = 250
    settle: float = 60.0


def run(plan: Plan, folder: Path, stop: threading.Event | None = None) -> Verdict:
    """Let the gremlin loose, bring all jobs to their end, and judge.

    Raises:
        Stopped: `stop` was set.
    """
    with ExitStack() as stack:
        server = stack.enter_context(PrivateServer(appendonly=True))
        redis = stack.enter_context(_patient_client(server.url))
        fleet = stack.enter_context(Fleet(server.url, folder, RECIPES, ENVIRONMENT))
        return _Experiment(plan, folder, server, redis, fleet, stop or threading.Event()).run()


class _Experiment:
    def __init__(
        self,
        plan: Plan,
        folder: Path,
        server: PrivateServer,
        redis: Redis,
        fleet: Fleet,
        stop: threading.Event,
    ) -> None:
        self._plan = plan
        self._stop = stop
        self._folder = folder
        self._redis = redis
        self._dice = random.Random(plan.seed)
        queues = [Queue(name, connection=redis) for name in QUEUES]
        self._clerk = Clerk(redis, queues, folder, random.Random(plan.seed))
        self._fleet = fleet
        self._gremlin = Gremlin(
            self._dice,
            self._fleet,
            server,
            self._clerk,
            longest_freeze=3 * LEASE,
            longest_outage=LEASE,
        )
        keep_every_write(redis)
        create_table(folder)

    def run(self) -> Verdict:
        began = monotonic()
        self._begin()
        self._strike(began)
        self._gremlin.strikes.seconds = monotonic() - began
        unsettled = self._settled()
        self._gremlin.strikes.write(self._folder / "strikes.log")
        verdict = judge(self._clerk, self._fleet, self._gremlin.strikes, self._redis)
        verdict.problems = [*unsettled, *verdict.problems]
        return verdict

    def _begin(self) -> None:
        self._clerk.keep_busy(JOBS)
        self._fleet.refill()
        self._wait_until(lambda: progress(self._folder) > 0, "no worker has begun")

    def _strike(self, began: float) -> None:
        owed = self._gremlin.kinds
        self._dice.shuffle(owed)
        while owed or not self._is_enough(began):
            self._let_work()
            kind = owed[0] if owed and self._dice.random() < 0.5 else None
            self._gremlin.strike(kind)
            owed = [each for each in owed if not self._gremlin.strikes.kinds[each]]
            if owed[:1] == [kind]:  # nobody was there for it
                owed.append(owed.pop(0))

    def _is_enough(self, began: float) -> bool:
        kills = self._plan.kills
        over = monotonic() > began + self._plan.seconds
        return over or (kills is not None and self._gremlin.strikes.kills >= kills)

    def _let_work(self) -> None:
        """Until the jobs have got on by a random amount, or do not get on any more."""
        goal = progress(self._folder) + self._dice.randint(1, self._plan.lines)
        end = monotonic() + self._dice.uniform(0.3, 1.5)
        while progress(self._folder) < goal and monotonic() < end:
            self._see_to_it()
            self._pause()

    def _see_to_it(self) -> None:
        self._gremlin.end_what_is_due()
        self._fleet.refill()
        self._clerk.look_after()
        self._clerk.keep_busy(JOBS)

    def _settled(self) -> list[str]:
        """Bring all to its end; answers what could not be brought there."""
        self._gremlin.rest()
        try:
            self._wait_until(self._all_are_over, "not all jobs came to an end", self._plan.settle)
            with suppress(Stuck):  # the verdict names what is left
                self._wait_until(self._is_tidy, "something is left in Redis", 3 * LEASE)
            self._fleet.stop(self._wait_until)
        except Stuck as stuck:
            return [str(stuck)]
        return []

    def _wait_until(
        self, condition: Callable[[], bool], message: str, deadline: float = 60.0
    ) -> None:
        """Wait until the condition holds, at most for `deadline` seconds."""
        end = monotonic() + deadline
        while not condition():
            if monotonic() > end:
                raise Stuck(f"{message} (waited for {deadline:g} seconds)")
            self._pause()

    def _pause(self) -> None:
        """Asked here, a stop cuts no worker off in the middle of its start."""
        if self._stop.wait(0.02):
            raise Stopped

    def _is_tidy(self) -> bool:
        """The workers clear up after others when they look for lost jobs."""
        return not any(leftovers(self._redis, self._clerk))

    def _all_are_over(self) -> bool:
        self._fleet.refill()
        self._clerk.look_after()
        return not self._clerk.running


@contextmanager
def _patient_client(url: str) -> Iterator[Redis]:
    """The gremlin's own, which waits while the server is away."""
    retry = Retry(ConstantBackoff(0.05), 200, supported_errors=(ConnectionError,))
    with Redis.from_url(url, retry=retry) as redis:
        yield redis

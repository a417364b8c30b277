"""Jobs over a private server and real worker processes, which are struck where a test says."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from itertools import count
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from redis.client import Redis  # and no stand-in that a test has put into `redis`
from redis.exceptions import RedisError
from rq.exceptions import NoSuchJobError
from rq.queue import Queue

from rq_steps.server import PrivateServer
from rq_steps.testing.ledger import Ledger
from rq_steps.testing.orders import Blow, Orders, WorkerStrike
from rq_steps.testing.place import NeverReachedError, Place
from rq_steps.testing.relay import Relay, status_of

if TYPE_CHECKING:
    from rq.job import Job

F = TypeVar("F", str, Callable[..., Any])

_SERIALIZERS = {"json": "rq.serializers.JSONSerializer", "pickle": None}


class LiveJobs:
    """Runs jobs as in production: on a server, in worker processes that are stopped and killed.

        with LiveJobs() as live_jobs:
            job = live_jobs.enqueue(process_import, 42)
            live_jobs.stop(during="import_rows", cursor=2)
            live_jobs.run(job)
            assert job.return_value() == 3

    In pytest it is the fixture `live_jobs`. Whatever happens, no process is left, and no key.

    Args:
        server: a private server that is this test's alone meanwhile; None: one of its own.
        worker_class: your own, over `rq_steps.ContinuableWorkerMixin`, by its dotted name.
        serializer: of the jobs: None or "pickle", "json", or a dotted name.

    Attributes:
        url: of the server.
        connection: to the server.
        queue: the one that `enqueue` puts jobs on.

    Raises:
        ServerError: when entered: there is no server to start, or it does not start.
    """

    url: str
    connection: Redis
    queue: Queue

    def __init__(
        self,
        server: PrivateServer | None = None,
        *,
        worker_class: str = "rq_steps.Worker",
        serializer: str | None = None,
    ) -> None:
        self._server = server
        self._worker_class = worker_class
        self._serializer = _SERIALIZERS.get(serializer or "pickle", serializer)
        self._strikes: list[WorkerStrike] = []
        self._runs = count(1)

    if not TYPE_CHECKING:  # or a name that there is not would be one of any type

        def __getattr__(self, name: str) -> Any:
            if name in (*LiveJobs.__annotations__, "_relay"):
                raise RuntimeError(
                    "these live jobs have not begun yet: enter them, "
                    "as in `with LiveJobs() as live_jobs:`"
                )
            raise AttributeError(f"'LiveJobs' object has no attribute {name!r}")

    def __enter__(self) -> LiveJobs:
        with ExitStack() as stack:
            server = self._server or stack.enter_context(PrivateServer())
            server.start()
            self.url = server.url
            self.connection = Redis.from_url(self.url)
            stack.callback(self.connection.close)
            self.connection.flushall()
            stack.callback(self._leave_no_key)
            self.queue = Queue(connection=self.connection, serializer=self._serializer)
            folder = stack.enter_context(TemporaryDirectory(prefix="rq-steps-workers-"))
            self._relay = Relay(Path(folder))
            stack.callback(self._relay.close)
            self._ending = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ending.close()

    @property
    def outputs(self) -> Mapping[str, str]:
        """What each worker so far and its work-horses have printed, by the worker's name."""
        return self._relay.outputs

    def enqueue(self, function: F, *args: Any, **kwargs: Any) -> Job:
        """`rq.Queue.enqueue`, with all its keywords.

        Raises:
            ValueError: a worker could not import the function.
        """
        if inspect.isfunction(function):
            _refuse_unnameable(function)
        return self.queue.enqueue(function, *args, **kwargs)

    # Where it is struck

    def stop(
        self,
        *,
        after: str | None = None,
        during: str | None = None,
        cursor: object = None,
        checkpoint: int | None = None,
    ) -> None:
        """Have the worker told to stop (SIGTERM) when the job is there; a new one goes on.

        Args:
            after: a step: between it and the next.
            during: a step: at its first checkpoint, or at the one with this `cursor`.
            cursor: of the step.
            checkpoint: the nth of the job, counted from 1 over all its executions.

        Raises:
            TypeError, ValueError: that is no place.
            UnserializableError: no step can have that cursor.
        """
        self._strike(Blow.STOP, Place(after, during, cursor, checkpoint))

    def kill(
        self,
        *,
        after: str | None = None,
        during: str | None = None,
        cursor: object = None,
        checkpoint: int | None = None,
    ) -> None:
        """Have worker and work-horse killed (SIGKILL) there, as when a machine is lost; a new
        worker finds the job. The places are those of `stop`."""
        self._strike(Blow.KILL, Place(after, during, cursor, checkpoint))

    def kill_horse(
        self,
        *,
        after: str | None = None,
        during: str | None = None,
        cursor: object = None,
        checkpoint: int | None = None,
    ) -> None:
        """Have the work-horse killed (SIGKILL) there, as when memory runs out; its worker puts the
        job back. The places are those of `stop`."""
        self._strike(Blow.KILL_HORSE, Place(after, during, cursor, checkpoint))

    def _strike(self, blow: Blow, place: Place) -> None:
        strike = WorkerStrike(blow, place)
        strike.dump()
        self._strikes.append(strike)

    # Running

    def run(self, job: Job, *, deadline: float = 60.0) -> None:
        """Start workers, one after the other, until the job is over: finished, failed, canceled.

        They work for all queues. RQ's scheduler does not run: our own waits end without it.

        Args:
            deadline: seconds.

        Raises:
            TypeError: it is no job.
            NotOverError: it is not over by then, or a worker has failed; the message shows what
                the workers have printed.
            NeverReachedError: it is over, and never came to a place where it was to be struck.
        """
        if not hasattr(job, "origin"):
            raise TypeError(f"run takes a job, as enqueue returns it: found {job!r}")
        orders = self._orders(job)
        self._relay.run(job, orders, deadline)
        with suppress(NoSuchJobError):  # a result_ttl of 0
            job.refresh()
        left = Ledger(self.connection, orders.key, orders.strikes).pending
        if left:
            missed = ", ".join(strike.describe() for strike in left)
            message = f"job {job.id} is {status_of(job)}, and never came to: {missed}"
            raise NeverReachedError(f"{message}{self._relay.printed}")

    def _orders(self, job: Job) -> Orders:
        strikes, self._strikes = self._strikes, []
        return Orders(
            name="",
            url=self.url,
            queue_names=[],
            worker_class=self._worker_class,
            serializer=self._serializer,
            job_id=job.id,
            key=f"rq_steps:testing:{next(self._runs)}",
            strikes=strikes,
        )

    def _leave_no_key(self) -> None:
        with suppress(RedisError):  # the test may have killed the server
            self.connection.flushall()


def _refuse_unnameable(function: Callable[..., Any]) -> None:
    """RQ names functions: a worker has to find this one by its module and its name."""
    name = f"{function.__module__}.{function.__qualname__}"
    if function.__module__ == "__main__":
        raise ValueError(f"{name} is in the script that runs: put it into a module of its own")
    if "<" in function.__qualname__:
        raise ValueError(f"{name} is inside a function: put it at the top level of its module")
    if not _is_on_path(function.__module__):
        raise ValueError(
            f"{name}: its module was not found by sys.path, so no worker can import it"
        )
    try:
        found = attrgetter(function.__qualname__)(sys.modules[function.__module__])
    except (AttributeError, KeyError):
        found = None
    if found is not function:
        raise ValueError(f"{name} is not what a worker would find: under that name is {found!r}")


def _is_on_path(module: str) -> bool:
    """Not what pytest has loaded from its file alone: `--import-mode=importlib` does."""
    top, _, _ = module.partition(".")
    finders = (getattr(finder, "find_spec", None) for finder in sys.meta_path)
    return any(find and find(top, None) for find in finders)

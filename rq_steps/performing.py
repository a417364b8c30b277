"""Which job is being performed here, by which worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from uuid import uuid4

from rq import get_current_job

from rq_steps.errors import NewerRecordError
from rq_steps.execution import Execution
from rq_steps.jobworker import JobWorker
from rq_steps.newer import Postponement
from rq_steps.options import MARK, Options
from rq_steps.stock import StockWorker

if TYPE_CHECKING:
    from rq.job import Job

_SYNC = "sync"  # RQ's name for the worker of a queue with is_async=False


class Surroundings(NamedTuple):
    """What a job is performed in here."""

    worker: JobWorker
    execution_class: type[Execution]
    ending: ExitStack
    """Closed when RQ has closed its books on the job."""


_surroundings: ContextVar[Surroundings | None] = ContextVar("rq_steps.worker", default=None)


class Runnable(Protocol):
    """What a continuable is run by."""

    def run(self, function: Callable[[], Any]) -> Any:
        """Call it, or do not. Returns what RQ is to be told, or raises what it is to see."""


@contextmanager
def performing(worker: JobWorker, execution_class: type[Execution]) -> Iterator[None]:
    """The job that is performed within is this worker's, in an execution of this class."""
    with ExitStack() as ending:
        token = _surroundings.set(Surroundings(worker, execution_class, ending))
        try:
            yield
        finally:
            _surroundings.reset(token)


class OnStock:
    """Runs a job on one of RQ's own workers, which tell nobody when they close their books: so the
    lease ends before that."""

    def __init__(self, job: Job, options: Options) -> None:
        self._ending = ExitStack()
        worker = StockWorker(job)
        self._ending.callback(worker.end_lease)
        self._runnable = _runnable(job, options, Surroundings(worker, Execution, self._ending))

    def run(self, function: Callable[[], Any]) -> Any:
        """See `Runnable`."""
        with self._ending:
            return self._runnable.run(function)


def execution_of(continuable: Callable[..., Any], options: Options) -> Runnable | None:
    """An execution of the job that is being performed, if this continuable is what it runs.

    None where the continuable is called directly, by a plain job too, on a queue with
    `is_async=False`, or by `job.perform()`: then nobody would put an interrupted job back.
    """
    job = performed()
    if job is None or not is_run_by(job.func, continuable):
        return None
    surroundings = _surroundings.get()
    return OnStock(job, options) if surroundings is None else _runnable(job, options, surroundings)


def _runnable(job: Job, options: Options, surroundings: Surroundings) -> Runnable:
    token = uuid4().hex
    try:
        execution = surroundings.execution_class(job, options, surroundings.worker, token)
    except NewerRecordError as error:
        return Postponement(job, surroundings.worker, token, error)
    surroundings.ending.callback(execution.close)
    return execution


def performed() -> Job | None:
    """The job that a worker performs here."""
    job = get_current_job()
    return None if job is None or job.worker_name in (None, _SYNC) else job


def is_continuable(job: Job) -> bool:
    """Is what the job runs a continuable? What cannot be imported is none: that is RQ's to tell."""
    try:
        return any(hasattr(each, MARK) for each in _unwrapped(job.func))
    except BaseException:  # a module may call sys.exit, too
        return False


def sync_job_id() -> str:
    """The job that a queue with `is_async=False` runs here, or an empty string."""
    job = get_current_job()
    return str(job.id) if job is not None and job.worker_name == _SYNC else ""


def is_run_by(function: Any, continuable: Callable[..., Any]) -> bool:
    """Is it this function, perhaps below decorators of its own?"""
    return any(each is continuable for each in _unwrapped(function))


def _unwrapped(function: Any) -> Iterator[Any]:
    while function is not None:
        function = _callee(getattr(function, "__func__", function))
        yield function
        function = getattr(function, "__wrapped__", None)


def _callee(function: Any) -> Any:
    """RQ takes a `partial` for an object of the user's own, and names its `__call__`."""
    owner = getattr(function, "__self__", None)
    return owner.func if isinstance(owner, partial) else function

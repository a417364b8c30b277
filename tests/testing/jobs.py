"""Jobs for the tests of the test kit: what they do is seen in Redis."""

from __future__ import annotations

from redis import Redis
from rq import get_current_job

from rq_steps import Step, continuable, step

ROWS = 4


def done(connection: Redis) -> list[str]:
    """What the jobs have done, in the order in which it happened."""
    return [each.decode() for each in connection.lrange("done", 0, -1)]  # type: ignore[union-attr]  # it decodes nothing


def do(what: object) -> None:
    _connection().rpush("done", str(what))


def _connection() -> Redis:
    job = get_current_job()
    assert job is not None
    return job.connection


@step
def validate() -> int:
    do("validate")
    return ROWS


@step
def import_rows(step: Step) -> None:
    for row in step.each(range(ROWS)):
        do(row)


@step
def clean_up() -> None:
    do("clean_up")


@continuable(save_every=0)
def process_import() -> int:
    total = validate()
    import_rows()
    clean_up()
    return total


@step
def move() -> None:
    do(_queue_name())


@step
def arrive() -> None:
    do(_queue_name())


@continuable(resume_queue="elsewhere")
def travel() -> None:
    move()
    arrive()


def _queue_name() -> str:
    job = get_current_job()
    assert job is not None
    return str(job.origin)


def plain() -> str:
    return "plain"


def fail() -> None:
    raise ValueError("as it happens")


def hold() -> None:
    """Go on when somebody says so, which nobody does."""
    _connection().blpop(["never"], timeout=600)

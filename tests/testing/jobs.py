"""Jobs for the tests of the test kit: what they do is seen in Redis."""

from __future__ import annotations

from rq import get_current_job

from rq_steps import Step, continuable, step

ROWS = 5


def note(what: object) -> None:
    """Remember it, in the order in which it happened."""
    job = get_current_job()
    assert job is not None
    job.connection.rpush("notes", str(what))


@step
def validate() -> int:
    note("validate")
    return ROWS


@step
def import_rows(step: Step) -> None:
    for row in step.each(range(ROWS)):
        note(row)


@step
def clean_up() -> None:
    note("clean_up")


@continuable(save_every=0)
def process_import() -> int:
    total = validate()
    import_rows()
    clean_up()
    return total

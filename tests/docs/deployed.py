"""A job as it is deployed without `@continuable`, and with it."""

from __future__ import annotations

from rq_steps import Step, continuable, step
from tests.docs.calls import done


@step
def first() -> None:
    done("first", None)


@step
def second(step: Step) -> None:
    for item in step.each(range(4)):
        done("second", item)


def plain() -> str:
    first()
    second()
    return "done"


decorated = continuable(save_every=0)(plain)

job = plain
"""What is enqueued, by this name: the tests deploy the one or the other."""
NAME = "tests.docs.deployed.job"

"""Executions that take in the items of a source, and what a resumed one refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rq_steps import InvalidStepError, Step, step
from rq_steps.sources import Source
from tests.unit.memory import Execution, Job


def visiting(job: Job, make: Callable[[], Source[Any]], visited: list[Any]) -> Execution:
    """One execution that takes in the items, and is told to leave at the second one."""

    @step
    def visit(step: Step) -> None:
        for item in step.each(make()):
            visited.append(item)
            if len(visited) == 2:
                job.call()

    return job.execute(visit)


def refused(job: Job, make: Callable[[], Source[Any]]) -> str:
    """Why the step is not resumed over this source. It has given nothing, and lost nothing."""
    visited: list[Any] = []
    record = job.record
    error = visiting(job, make, visited).error
    assert isinstance(error, InvalidStepError)
    assert visited == []
    assert job.record == record
    return str(error)

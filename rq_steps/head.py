"""The head of a record, for those who look at a job from outside: read, and written anew, without
the steps that belong to it."""

from __future__ import annotations

import json
from typing import NamedTuple

from rq_steps.record import Record, Run, to_json
from rq_steps.values import JSON


def completed_count(head: str | bytes) -> int:
    """How many completed steps belong to a head."""
    count = json.loads(head)["completed"]
    assert isinstance(count, int)
    return count


def goes_to_front(head: str | bytes | None) -> bool:
    """Does the job of this head go to the front of its queue when its wait is over?"""
    return head is not None and bool(json.loads(head).get("front"))


def is_finished(head: str | bytes) -> bool:
    """Is the run of this head done?"""
    return bool(json.loads(head)["finished"])


def unfinished(head: str | bytes) -> str:
    """The head of a run that is to go on."""
    return to_json(json.loads(head) | {"finished": False})


class Death(NamedTuple):
    """What a death leaves behind."""

    head: str
    deaths: int
    """How often in a row the job died at this place."""
    step: str | None
    cursor: JSON
    completed: int
    too_many: bool
    """Is `max_resumptions` exceeded?"""
    resume_queue: str | None


def after_death(head: str | bytes | None, run: Run, *, counted: bool = True) -> Death:
    """The head of a job whose execution died: it is counted, anew where progress was made."""
    data = json.loads(head) if head is not None else {}
    if data.get("run") != run._asdict():  # of an earlier run: this one has not got so far
        data = json.loads(Record(run).head())
    current = data["current"] or {"name": None, "cursor": None}
    completed, step, cursor = place = [data["completed"], current["name"], current["cursor"]]
    deaths = (data.get("deaths", 0) if data.get("died_at") == place else 0) + counted
    limit = data.get("max_resumptions")
    too_many = limit is not None and data["resumptions"] >= limit
    data |= {
        "deaths": deaths,
        "died_at": place,
        "resumptions": 0 if too_many else data["resumptions"] + 1,
        "finished": False,
        "front": True,
    }
    resume_queue = data.get("resume_queue")  # records of before have none
    return Death(to_json(data), deaths, step, cursor, completed, too_many, resume_queue)


def revived(head: str | bytes) -> str:
    """The head of a job that failed for its deaths: `rq requeue` gives it another round."""
    return to_json(json.loads(head) | {"deaths": 0, "died_at": None})

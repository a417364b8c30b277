"""The progress of one run as data: what is saved, and how it reads in Redis."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from rq_steps.errors import NewerRecordError
from rq_steps.values import JSON

VERSION = 1

to_json = json.JSONEncoder(separators=(",", ":")).encode


class Completed(NamedTuple):
    """A completed step: its name, and its result as JSON carries it."""

    name: str
    result: JSON

    def dump(self) -> str:
        """The field that is written once, when the step has completed."""
        return to_json({"name": self.name, "result": self.result})

    @classmethod
    def load_all(cls, joined: str | bytes) -> list[Completed]:
        """The steps that `dump` wrote, joined by commas."""
        steps = json.loads(b"[%b]" % joined if isinstance(joined, bytes) else f"[{joined}]")
        return [cls(step["name"], step["result"]) for step in steps]


class SourceMark(NamedTuple):
    """What kind of source a cursor belongs to, and its length where it has one."""

    kind: str
    length: int | None
    contract: JSON = None
    """What the source itself compares on resume."""

    @property
    def described(self) -> str:
        """For messages."""
        article = "an" if self.kind[0] in "aeiou" else "a"
        length = "" if self.length is None else f" of {self.length} items"
        return f"{article} {self.kind}{length}"

    def dump(self) -> dict[str, JSON]:
        """As JSON carries it."""
        dumped: dict[str, JSON] = {"kind": self.kind, "length": self.length}
        return dumped if self.contract is None else dumped | {"contract": self.contract}

    @classmethod
    def load(cls, data: Any) -> SourceMark:
        """What `dump` gave."""
        return cls(data["kind"], data["length"], data.get("contract"))


class Current(NamedTuple):
    """The step that has begun and not completed."""

    name: str
    cursor: JSON
    source: SourceMark | None


class Run(NamedTuple):
    """What tells one run of a job from the next: RQ's Repeat keeps the id, and so does a user."""

    created_at: str
    repeats_left: int | None


@dataclass
class Record:
    """The progress of one run. Times are seconds."""

    run: Run
    completed: list[Completed] = field(default_factory=list)
    current: Current | None = None
    executions: int = 0
    resumptions: int = 0
    """Unplanned ones, since the last `ResumeLimitError`."""
    errors: int = 0
    deaths: int = 0
    """Executions in a row that died at one and the same place."""
    died_at: list[JSON] | None = None
    """Number of completed steps, step and cursor."""
    max_resumptions: int | None = None
    """The option: who finds the job dead cannot ask the code."""
    resume_queue: str | None = None
    """The option, too."""
    fruitless: int = 0
    """Executions in a row that interrupted themselves and had not advanced."""
    runtime: float = 0.0
    """Of the executions that have ended, since `max_total_runtime` was last reached."""
    finished: bool = False
    front: bool = False
    """Where the job goes when its wait is over."""
    last_result: str | None = None
    """The id of the last result that RQ had kept of the job when the last execution began."""
    error: str | None = None
    """The traceback of the last error that the job was resumed after, or failed with."""

    @property
    def begun(self) -> bool:
        """Has an execution of this run got as far as a step?"""
        return bool(self.completed or self.current)

    def complete(self, step: Completed) -> None:
        """The current step has completed."""
        self.completed.append(step)
        self.current = None

    def head(self) -> str:
        """All but the completed steps, as JSON: it does not grow with them."""
        head = {name: getattr(self, name) for name in _PLAIN_FIELDS}
        head["version"] = VERSION
        head["completed"] = len(self.completed)
        head["run"] = self.run._asdict()
        head["current"] = self.current and _dumpable(self.current)
        return to_json(head)

    @classmethod
    def load(cls, head: str | bytes, completed: list[Completed]) -> Record:
        """The record that was saved.

        Raises:
            NewerRecordError: a newer rq_steps wrote it.
        """
        data = json.loads(head)
        if data["version"] > VERSION:
            raise NewerRecordError(
                f"the record was written by a newer rq_steps (version {data['version']}, "
                f"this one reads up to {VERSION}): run the job on a newer worker"
            )
        known = {name: data[name] for name in _PLAIN_FIELDS if name in data}
        run, current = Run(**data["run"]), _load_current(data["current"])
        return cls(run, completed, current, **known)

    def settle(self) -> None:
        """A signal may have come between the two halves of `complete`."""
        if self.current and self.completed and self.completed[-1].name == self.current.name:
            self.current = None


_PLAIN_FIELDS = tuple(
    each.name for each in fields(Record) if each.name not in ("run", "completed", "current")
)


def _load_current(data: dict[str, Any] | None) -> Current | None:
    if data is None:
        return None
    mark = SourceMark.load(data["source"]) if data["source"] else None
    return Current(data["name"], data["cursor"], mark)


def _dumpable(current: Current) -> dict[str, Any]:
    name, cursor, mark = current
    source = mark and mark.dump()
    return {"name": name, "cursor": cursor, "source": source}

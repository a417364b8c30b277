"""What a worker process is told when it starts: whom to serve, and where it is struck."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, NamedTuple

from rq_steps.testing.place import Place
from rq_steps.values import JSON, decode, encode


class Blow(str, Enum):
    """How a worker is struck."""

    STOP = "stop"
    """SIGTERM to the worker, as a deploy does."""
    KILL = "kill"
    """SIGKILL to worker and work-horse, as when a machine is lost."""
    KILL_HORSE = "kill_horse"
    """SIGKILL to the work-horse, as the kernel does when memory runs out."""


class WorkerStrike(NamedTuple):
    """A blow, and where the job is then. It happens once, over all processes."""

    blow: Blow
    place: Place

    def describe(self) -> str:
        """The strike in words: `kill after 'validate'`."""
        return f"{self.blow.value} {self.place.describe()}"

    def dump(self) -> dict[str, JSON]:
        """The strike as JSON holds it.

        Raises:
            UnserializableError: no record could hold a cursor like this one.
        """
        cursor = encode(self.place.cursor, pickling=True)
        return {"blow": self.blow.value, **asdict(self.place), "cursor": cursor}

    @classmethod
    def load(cls, data: dict[str, Any]) -> WorkerStrike:
        place = {name: value for name, value in data.items() if name not in ("blow", "cursor")}
        return cls(Blow(data["blow"]), Place(**place, cursor=decode(data["cursor"], pickling=True)))


@dataclass(frozen=True)
class Orders:
    """Of one worker process."""

    name: str
    url: str
    queue_names: list[str]
    worker_class: str
    serializer: str | None
    job_id: str
    """The job whose worker is struck, whatever else it does."""
    key: str
    """Below it Redis keeps which of the strikes have happened."""
    strikes: list[WorkerStrike]

    def dump(self) -> str:
        strikes = [strike.dump() for strike in self.strikes]
        return json.dumps({**vars(self), "strikes": strikes})

    @classmethod
    def load(cls, text: str) -> Orders:
        data = json.loads(text)
        return cls(**{**data, "strikes": [WorkerStrike.load(each) for each in data["strikes"]]})

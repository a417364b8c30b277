"""The queue on which a job is resumed, where that is not its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rq.queue import Queue


def sibling(queue: Queue, name: str | None) -> Queue:
    """The queue of that name, made as this one is; this one where there is no name."""
    if name is None or name == queue.name:
        return queue
    return type(queue)(
        name,
        connection=queue.connection,
        job_class=queue.job_class,
        serializer=queue.serializer,
        death_penalty_class=queue.death_penalty_class,
    )

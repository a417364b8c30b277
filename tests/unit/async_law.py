"""The law of every async source, and sources of every kind to try it on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import Any

from rq_steps import Step, step
from rq_steps.sources import AsyncSource
from rq_steps.values import decode, encode
from tests.unit.memory import Execution, Job

Body = Callable[[Step], Awaitable[Any]]


async def generated(length: int) -> AsyncGenerator[int]:
    for item in range(length):
        await asyncio.sleep(0)
        yield item


class Client:
    """Nothing but async iterable."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __aiter__(self) -> AsyncIterator[int]:
        return generated(self.length)


class Answers:
    """An async iterator that is no generator."""

    def __init__(self, length: int) -> None:
        self.left = list(range(length))

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop(0)


class Pages(AsyncSource[int]):
    """A source of somebody's own, with a cursor that is no count."""

    kind = "pages"

    def __init__(self, length: int) -> None:
        self.length = length
        self.opened_at: Any = "never"
        self.closed = 0

    @property
    def contract(self) -> dict[str, Any]:
        return {"length": self.length}

    async def open(self, cursor: Any) -> AsyncIterator[tuple[int, Any]]:
        self.opened_at = cursor
        try:
            for item in range(0 if cursor is None else cursor["next"], self.length):
                await asyncio.sleep(0)
                yield item, {"next": item + 1}
        finally:
            await asyncio.sleep(0)
            self.closed += 1


def execute(job: Job, body: Body, attend: Any = None, *, every: bool = False) -> Execution:
    """Run an async continuable of one step."""

    @step
    async def visit(step: Step) -> Any:
        return await body(step)

    return job.execute(lambda: asyncio.run(visit()), attend, every=every)


async def collected(items: AsyncIterable[Any]) -> list[Any]:
    return [item async for item in items]


async def assert_law(make: Callable[[], AsyncSource[Any]]) -> None:
    """The items up to any cursor, and those of a fresh source opened there, are one pass."""
    pairs = await collected(make().open(None))
    assert await collected(make()) == [item for item, _ in pairs]
    for done, (_, cursor) in enumerate(pairs, 1):
        assert encode(cursor, pickling=False) == cursor, "not plain"
        again = decode(json.loads(json.dumps(cursor)), pickling=False)
        rest = await collected(make().open(again))
        assert [item for item, _ in rest] == [item for item, _ in pairs[done:]]

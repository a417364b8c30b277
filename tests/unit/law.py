"""The law of every source: the items up to any cursor, and those of a fresh source opened at that
cursor, are one uninterrupted pass."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import settings

from rq_steps.attention import Attention, Unattended
from rq_steps.loops import loop_over
from rq_steps.sources import Source
from rq_steps.sources.protocol import IndexedSource
from rq_steps.sources.text_file import TextFile
from rq_steps.values import decode, encode

Make = Callable[[], Source[Any]]

BOUNDED = settings(max_examples=100, deadline=None)


def again(cursor: object) -> Any:
    """The cursor, after its way through the record."""
    return decode(json.loads(json.dumps(encode(cursor, pickling=False))), pickling=False)


def assert_law(make: Make, *, plain: bool = True) -> None:
    """Over pairs, and over the loop that `step.each` takes. A cursor that is `plain` is JSON."""
    pairs = list(make().open(None))
    items = [item for item, _ in pairs]
    assert list(make()) == items
    for done, (_, cursor) in enumerate(pairs, 1):
        assert not plain or encode(cursor, pickling=False) == cursor, "not plain"
        assert again(cursor) == cursor
        assert [item for item, _ in make().open(again(cursor))] == items[done:]
    assert_law_of_loops(make, items)


def assert_law_of_loops(make: Make, items: list[Any]) -> None:
    """Item by item, inside the interpreter, and cut there whenever the loop's body has an item."""
    assert_law_of_loop(make, items, Attention(), lambda: None)
    assert_law_of_loop(make, items, Unattended(), lambda: None)
    attention = Unattended()
    assert_law_of_loop(make, items, attention, attention.call)


def assert_law_of_loop(
    make: Make, items: list[Any], attention: Attention, happens: Callable[[], None]
) -> None:
    source = make()
    begin = 0 if isinstance(source, IndexedSource) else None
    loop = loop_over(source, begin, attention, attention.answered)
    for done, item in enumerate(loop):
        assert item == items[done]
        rest = loop_over(make(), again(loop.cursor), type(attention)(), lambda: None)
        assert list(rest) == items[done:]
        happens()
    assert list(make().open(again(loop.cursor))) == []


class Countdown(Source[int]):
    """As somebody may write one."""

    def __init__(self, begin: int) -> None:
        self.begin = begin

    def open(self, cursor: Any) -> Iterator[tuple[int, Any]]:
        left = self.begin if cursor is None else cursor["left"]
        while left:
            yield left, {"left": left - 1}
            left -= 1


def in_blocks(source: Source[Any], size: int) -> Source[Any]:
    """A file that is read so many bytes at once."""
    assert isinstance(source, TextFile)
    source.block_size = size
    return source

"""Sources within sources, with the items that they have to give."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain as chained
from typing import Any

from hypothesis import strategies as st

from rq_steps.sources import batches, chain, csv_rows, lines, nested, numbered
from tests.unit.law import Countdown


@dataclass(frozen=True)
class Tree:
    """A source that can be made anew, and the items that it has to give."""

    name: str
    make: Callable[[], Any]
    items: list[Any]

    def __repr__(self) -> str:
        return self.name


def numbers(length: int) -> Iterator[int]:
    yield from range(length)


def text(length: int) -> io.BytesIO:
    return io.BytesIO(b"".join(b'%d,"a\nb"\n' % number for number in range(length)))


def leaf_of(kind: str, length: int) -> Tree:
    plain = list(range(length))
    makers: dict[str, tuple[Callable[[], Any], list[Any]]] = {
        "list": (lambda: list(plain), plain),
        "range": (lambda: range(length), plain),
        "deque-like": (lambda: bytearray(plain), plain),
        "generator": (lambda: numbers(length), plain),
        "dict": (lambda: dict.fromkeys(plain), plain),
        "own": (lambda: Countdown(length), [each + 1 for each in plain[::-1]]),
        "csv": (lambda: csv_rows(text(length)), [[str(each), "a\nb"] for each in plain]),
        "lines": (
            lambda: lines(text(length)),
            [line for each in plain for line in (f'{each},"a', 'b"')],
        ),
        "lines with ends": (
            lambda: lines(text(length), keepends=True),
            [line for each in plain for line in (f'{each},"a\n', 'b"\n')],
        ),
    }
    make, items = makers[kind]
    return Tree(f"{kind}({length})", make, items)


KINDS = [
    "list",
    "range",
    "deque-like",
    "generator",
    "dict",
    "own",
    "csv",
    "lines",
    "lines with ends",
]


leaves = st.builds(leaf_of, st.sampled_from(KINDS), st.integers(0, 5))


def in_batches(tree: Tree, size: int) -> Tree:
    items = [tree.items[at : at + size] for at in range(0, len(tree.items), size)]
    return Tree(f"batches({tree}, {size})", lambda: batches(tree.make(), size), items)


def with_numbers(tree: Tree, start: int) -> Tree:
    items = list(enumerate(tree.items, start))
    return Tree(f"numbered({tree}, {start})", lambda: numbered(tree.make(), start), items)


def in_a_row(trees: list[Tree]) -> Tree:
    items = list(chained.from_iterable(tree.items for tree in trees))
    return Tree(f"chain{tuple(trees)}", lambda: chain(*(tree.make() for tree in trees)), items)


def within(outer: Tree, inner: list[Tree]) -> Tree:
    """Each outer item has one of the inner sources, which can be empty."""

    def of(item: Any) -> Tree:
        return inner[len(repr(item)) % len(inner)]

    items = [(item, each) for item in outer.items for each in of(item).items]
    return Tree(
        f"nested({outer}, {inner})",
        lambda: nested(outer.make(), lambda item: of(item).make()),
        items,
    )


def wrapped(trees: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.one_of(
        st.builds(in_batches, trees, st.integers(1, 4)),
        st.builds(with_numbers, trees, st.integers(-2, 2)),
        st.builds(in_a_row, st.lists(trees, max_size=3)),
        st.builds(within, trees, st.lists(trees, min_size=1, max_size=3)),
    ).filter(lambda tree: len(tree.items) <= 40)


trees = st.recursive(leaves, wrapped, max_leaves=5)

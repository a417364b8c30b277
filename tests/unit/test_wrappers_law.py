"""The law of every source, over the wrappers, and over wrappers of wrappers."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain as chained
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rq_steps.sources import batches, chain, csv_rows, lines, nested, numbered
from tests.unit.test_sources_law import BOUNDED, Countdown, assert_law


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
    }
    make, items = makers[kind]
    return Tree(f"{kind}({length})", make, items)


KINDS = ["list", "range", "deque-like", "generator", "dict", "own", "csv", "lines"]

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


@BOUNDED
@given(leaves, st.integers(1, 4))
def test_the_law_of_batches(tree: Tree, size: int) -> None:
    assert_law_of(in_batches(tree, size))


@BOUNDED
@given(leaves, st.integers(-2, 2))
def test_the_law_of_numbers(tree: Tree, start: int) -> None:
    assert_law_of(with_numbers(tree, start))


@BOUNDED
@given(st.lists(leaves, max_size=3))
def test_the_law_of_chains(trees: list[Tree]) -> None:
    assert_law_of(in_a_row(trees))


@BOUNDED
@given(leaves, st.lists(leaves, min_size=1, max_size=3))
def test_the_law_of_nesting(outer: Tree, inner: list[Tree]) -> None:
    assert_law_of(within(outer, inner))


@BOUNDED
@given(wrapped(trees))
def test_the_law_of_wrappers_of_wrappers(tree: Tree) -> None:
    assert_law_of(tree)


def assert_law_of(tree: Tree) -> None:
    assert list(tree.make()) == tree.items
    assert_law(tree.make)


@BOUNDED
@given(wrapped(leaves))
def test_a_wrapper_keeps_its_own_contract(tree: Tree) -> None:
    tree.make().check(tree.make().contract)


def test_pages_of_many_items_are_given_whole() -> None:
    """More than one page: not every cursor, that would be too many."""
    many = range(1000)
    for make in (
        lambda: numbered(list(many)),
        lambda: chain(csv_rows(text(1000)), many),
        lambda: nested(many, lambda _: ["a", "b"]),
        lambda: batches(csv_rows(text(1000)), 100),
        lambda: batches(many, 3),
    ):
        pairs: list[Any] = list(make().open(None))
        for at in (0, 1, len(pairs) // 2, 255, 256, 257, len(pairs) - 1):
            if at < len(pairs):
                assert list(make().open(pairs[at][1])) == pairs[at + 1 :]

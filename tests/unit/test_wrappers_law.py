"""The law of every source, over the wrappers, and over wrappers of wrappers."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rq_steps.sources import batches, chain, csv_rows, nested, numbered
from tests.unit.law import BOUNDED, assert_law
from tests.unit.trees import (
    Tree,
    in_a_row,
    in_batches,
    leaves,
    text,
    trees,
    with_numbers,
    within,
    wrapped,
)


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

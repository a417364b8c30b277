"""The law of every source, over the async wrappers, and over those of wrappers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rq_steps.sources import AsyncSource, async_source_of, chain, nested
from tests.unit.async_law import Answers, Client, Pages, assert_law, collected, generated
from tests.unit.law import BOUNDED, again
from tests.unit.trees import Tree, in_a_row, in_batches, leaves, with_numbers, within
from tests.unit.trees import trees as sync_trees


def async_leaf_of(kind: Callable[[int], Any], length: int) -> Tree:
    return Tree(f"{kind.__name__}({length})", lambda: kind(length), list(range(length)))


async_leaves = st.builds(
    async_leaf_of, st.sampled_from([generated, Client, Answers, Pages]), st.integers(0, 5)
)


def said_to_be_async(tree: Tree) -> Tree:
    return Tree(f"async {tree}", lambda: async_source_of(tree.make()), tree.items)


def in_a_mixed_row(first: list[Tree], middle: Tree, last: list[Tree]) -> Tree:
    return in_a_row([*first, middle, *last])


def within_awaited(outer: Tree, inner: list[Tree]) -> Tree:
    """As `within`, but that `inner` is awaited."""
    plain = within(outer, inner)

    async def of(item: Any) -> Any:
        await asyncio.sleep(0)
        return inner[len(repr(item)) % len(inner)].make()

    return Tree(f"awaited {plain}", lambda: nested(outer.make(), of), plain.items)


def wrapped(asyncs: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    either = sync_trees | asyncs
    several = st.lists(either, min_size=1, max_size=3)
    return st.one_of(
        st.builds(said_to_be_async, sync_trees),
        st.builds(in_batches, asyncs, st.integers(1, 4)),
        st.builds(with_numbers, asyncs, st.integers(-2, 2)),
        st.builds(
            in_a_mixed_row, st.lists(either, max_size=2), asyncs, st.lists(either, max_size=2)
        ),
        st.builds(within, asyncs, several),
        st.builds(within_awaited, either, several),
    ).filter(lambda tree: len(tree.items) <= 40)


async_trees = st.recursive(async_leaves, wrapped, max_leaves=4)


def assert_law_of(tree: Tree) -> None:
    async def asserted() -> None:
        assert await collected(tree.make()) == tree.items
        await assert_law(tree.make)

    asyncio.run(asserted())


@BOUNDED
@given(leaves)
def test_the_law_of_sync_sources_that_are_said_to_be_async(tree: Tree) -> None:
    assert_law_of(said_to_be_async(tree))


@BOUNDED
@given(st.lists(leaves | async_leaves, max_size=2), async_leaves, st.lists(leaves, max_size=2))
def test_the_law_of_chains(first: list[Tree], middle: Tree, last: list[Tree]) -> None:
    assert_law_of(in_a_mixed_row(first, middle, last))


@BOUNDED
@given(async_leaves, st.lists(leaves | async_leaves, min_size=1, max_size=3))
def test_the_law_of_nesting_in_an_async_source(outer: Tree, inner: list[Tree]) -> None:
    assert_law_of(within(outer, inner))


@BOUNDED
@given(leaves | async_leaves, st.lists(leaves | async_leaves, min_size=1, max_size=3))
def test_the_law_of_nesting_what_is_awaited(outer: Tree, inner: list[Tree]) -> None:
    assert_law_of(within_awaited(outer, inner))


@BOUNDED
@given(wrapped(async_trees))
def test_the_law_of_wrappers_of_wrappers(tree: Tree) -> None:
    assert_law_of(tree)


@BOUNDED
@given(wrapped(async_leaves))
def test_a_wrapper_keeps_its_own_contract(tree: Tree) -> None:
    tree.make().check(tree.make().contract)


@BOUNDED
@given(st.lists(leaves, min_size=1, max_size=3))
def test_a_chain_and_its_async_twin_take_each_others_cursors(trees: list[Tree]) -> None:
    def async_chain() -> AsyncSource[Any]:
        return chain(*(async_source_of(tree.make()) for tree in trees))

    assert_twins(in_a_row(trees), async_chain)


@BOUNDED
@given(leaves, st.lists(leaves, min_size=1, max_size=3))
def test_loops_and_their_async_twins_take_each_others_cursors(
    outer: Tree, inner: list[Tree]
) -> None:
    assert_twins(within(outer, inner), within_awaited(outer, inner).make)


def assert_twins(tree: Tree, make: Callable[[], AsyncSource[Any]]) -> None:
    assert tree.make().mark == make().mark
    assert asyncio.run(collected(make())) == tree.items
    cursors = asyncio.run(collected(make().open(None)))
    for done, (_, cursor) in enumerate(cursors, 1):
        assert [item for item, _ in tree.make().open(again(cursor))] == tree.items[done:]
    for done, (_, cursor) in enumerate(tree.make().open(None), 1):
        rest = asyncio.run(collected(make().open(again(cursor))))
        assert [item for item, _ in rest] == tree.items[done:]

"""The pages hold together: what one points to is there, and every block is of a kind we test."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import BLOCKS, PAGES, Page, anchor

TESTED = {"console", "dockerfile", "ini", "json", "procfile", "python", "text", "yaml"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Page) -> None:
    pages = {each.path: each for each in PAGES}
    for link in page.links:
        if link.startswith("https://"):
            continue
        target, _, place = link.partition("#")
        path = (page.path.parent / target).resolve() if target else page.path
        assert path.exists(), link
        assert not place or place in pages[path].anchors, link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_two_headings_have_the_same_anchor(page: Page) -> None:
    if page.name != "CHANGELOG.md":
        assert len(set(page.anchors)) == len(page.anchors)


def test_every_page_of_the_docs_is_linked_from_the_readme() -> None:
    links = {
        (Page("README.md").path.parent / link.partition("#")[0]) for link in Page("README.md").links
    }
    assert {page.path for page in PAGES if page.name.startswith("docs/")} <= links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_list_of_contents_lists_all_sections_in_their_order(page: Page) -> None:
    sections = [anchor(line[3:]) for line in page.prose.splitlines() if line.startswith("## ")]
    contents = re.findall(r"\(#([\w-]+)\)", page.text.partition("\n## ")[0])
    assert contents in ([], sections)


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert {block.language for block in BLOCKS} <= TESTED
    assert sum(page.text.count("\n```") for page in PAGES) == 2 * len(BLOCKS)


def test_the_pages_name_no_place_but_the_readers() -> None:
    assert not [page.name for page in PAGES if str(Path.home()) in page.text]

"""The page on testing: its tests pass, or fail with the words it shows; its tables are true."""

from __future__ import annotations

import dataclasses
import inspect
import re
from types import ModuleType

import pytest

from rq_steps import pytest_plugin, testing
from rq_steps.testing import Clock, Execution, LiveJobs, Place, Rehearsal, everywhere
from tests.docs.pages import Page, code
from tests.docs.project import load

TESTING = Page("docs/testing.md")
MENDED = {
    "test_append.py": "append.py",
    "test_total.py": "total.py",
    "test_numbers.py": "numbers_of_rows.py",
    "test_names.py": "names.py",
}
"""The tests of jobs that are wrong, each with the file in which the same job is right."""


def shown() -> list[str]:
    """The files that are tests."""
    files = [block.file for block in TESTING.blocks if block.file]
    return [file for file in files if file.startswith("test_")]


def said() -> dict[str, str]:
    """What those that fail say, as it stands below each."""
    following = zip(TESTING.blocks, TESTING.blocks[1:], strict=False)
    return {
        block.file: below.text.rstrip("\n")
        for block, below in following
        if block.file and below.language == "text"
    }


def run(module: ModuleType, request: pytest.FixtureRequest) -> None:
    """Run the tests of a file, with the fixtures that they ask for."""
    tests = [each for name, each in vars(module).items() if name.startswith("test_")]
    assert tests
    for test in tests:
        names = inspect.signature(test).parameters
        test(**{name: request.getfixturevalue(name) for name in names})


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("file", sorted(set(shown()) - set(said())))
def test_the_tests_of_the_page_pass(file: str, request: pytest.FixtureRequest) -> None:
    run(load(file), request)


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("file", said())
def test_what_is_wrong_fails_with_the_words_of_the_page(
    file: str, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(AssertionError) as failed:
        run(load(file), request)
    assert str(failed.value) == said()[file]


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("file", MENDED)
def test_what_is_mended_passes_the_same_test(
    file: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, mended = load(file), vars(load(MENDED[file]))
    jobs = [name for name, each in mended.items() if hasattr(each, "__wrapped__")]
    assert jobs
    for name in jobs:
        monkeypatch.setattr(module, name, mended[name])
    run(module, request)


def test_every_wrong_job_is_mended() -> None:
    wrong = {block.file for block in TESTING.blocks if "@continuable" in block.text}
    assert wrong & set(said()) == set(MENDED)


def listed(first_column: str) -> set[str]:
    """The names in a table, without their parameters."""
    return {code(cell).partition("(")[0] for cell in TESTING.table(first_column)}


def members(owner: type, *of_instances: str) -> set[str]:
    """What is public."""
    names = {*dir(owner), *inspect.get_annotations(owner), *of_instances}
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize(
    ("owner", "of_instances"),
    [
        (Clock, vars(Clock())),
        (Rehearsal, ["Rehearsal", *vars(Rehearsal(print))]),
        (LiveJobs, []),
        (Execution, [field.name for field in dataclasses.fields(Execution)]),
    ],
)
def test_the_page_lists_every_member(owner: type, of_instances: list[str]) -> None:
    assert listed(f"`{owner.__name__}`") == members(owner, *of_instances) - {"timing"}


def test_the_page_lists_every_fixture() -> None:
    source = inspect.getsource(pytest_plugin)
    fixtures = set(re.findall(r"^@pytest.fixture.*\ndef (\w+)\(", source, re.MULTILINE))
    assert listed("fixture") == {name for name in fixtures if not name.startswith("_")}


def test_the_page_lists_every_kind_of_place() -> None:
    words = [code(cell) for cell in TESTING.table("place")]
    named = {part.partition("=")[0] for each in words for part in each.split(", ")}
    assert named == {field.name for field in dataclasses.fields(Place)}


@pytest.mark.parametrize("name", testing.__all__)
def test_the_page_names_all_that_can_be_imported(name: str) -> None:
    assert f"`{name}" in TESTING.text or f"import {name}" in TESTING.text


def test_the_figures_of_the_page_are_those_of_the_code() -> None:
    at_most = inspect.signature(everywhere).parameters["at_most"].default
    timeout = inspect.signature(Rehearsal).parameters["job_timeout"].default
    assert f"tries {at_most} at most" in TESTING.text
    assert f"`job_timeout` ({timeout} seconds)" in TESTING.text

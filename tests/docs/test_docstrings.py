"""Every public name tells what it is."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

import rq_steps
from rq_steps import Step, errors, events, server, sources, testing

MODULES = ["rq_steps"] + [
    each.name for each in pkgutil.walk_packages(rq_steps.__path__, prefix="rq_steps.")
]
DOORS: list[ModuleType] = [errors, events, server]
"""The modules that users import from, beside the package."""
KIT = [testing.Clock, testing.Execution, testing.LiveJobs, testing.Rehearsal]


def public(owner: object) -> dict[str, object]:
    """The public classes, functions and properties that are defined there."""
    return {
        name: member
        for name, member in vars(owner).items()
        if not name.startswith("_") and _is_defined_in(owner, member)
    }


def _is_defined_in(owner: object, member: object) -> bool:
    if not isinstance(owner, ModuleType):
        return inspect.isroutine(member) or isinstance(member, property)
    is_described = inspect.isclass(member) or inspect.isfunction(member)
    return is_described and getattr(member, "__module__", None) == owner.__name__


def classes(module: ModuleType) -> list[type]:
    return [member for member in public(module).values() if isinstance(member, type)]


def undescribed(owner: object) -> list[str]:
    return [name for name, member in public(owner).items() if not inspect.getdoc(member)]


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is(module: str) -> None:
    assert importlib.import_module(module).__doc__


@pytest.mark.parametrize("name", rq_steps.__all__)
def test_every_name_of_the_package_says_what_it_is(name: str) -> None:
    assert getattr(rq_steps, name).__doc__


@pytest.mark.parametrize("name", sources.__all__)
def test_every_name_of_the_sources_says_what_it_is(name: str) -> None:
    assert getattr(sources, name).__doc__


@pytest.mark.parametrize("name", testing.__all__)
def test_every_name_of_the_kit_says_what_it_is(name: str) -> None:
    assert getattr(testing, name).__doc__


@pytest.mark.parametrize("module", DOORS, ids=lambda module: module.__name__)
def test_every_public_name_of_a_module_says_what_it_is(module: ModuleType) -> None:
    assert public(module)
    assert undescribed(module) == []


@pytest.mark.parametrize(
    "owner",
    [
        Step,
        sources.Source,
        sources.AsyncSource,
        server.PrivateServer,
        *classes(events),
        *KIT,
    ],
)
def test_every_public_member_says_what_it_is(owner: type) -> None:
    assert set(undescribed(owner)) <= inherited(owner)


def inherited(owner: type) -> set[str]:
    """What is described where it is first defined."""
    return {
        name
        for base in owner.__mro__[1:]
        for name, member in public(base).items()
        if inspect.getdoc(member)
    }

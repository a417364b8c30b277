from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from tests.unit.memory import Job


@pytest.fixture
def pickling() -> bool:
    """May the records of this test's jobs hold what is pickled?"""
    return True


@pytest.fixture(params=["native", "generator"])
def job(request: pytest.FixtureRequest, pickling: bool) -> Job:
    """A job, once with loops inside the interpreter, and once with loops that look at each item."""
    return Job(native=request.param == "native", pickling=pickling)


@cache
def load_django() -> ModuleType:
    """Django, set up. Its `django.db` is taken out again: it would be watched by other tests."""
    conf = import_module("django.conf")
    conf.settings.configure(
        LOGGING_CONFIG=None,
        USE_TZ=True,
        INSTALLED_APPS=["tests.unit"],
        DATABASES={
            alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
            for alias in ("default", "archive")
        },
    )
    import_module("django").setup()
    import_module("django.db.transaction")
    return sys.modules.pop("django.db")


@pytest.fixture
def django(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Django's `django.db`, loaded as long as the test lasts. Its databases are in memory."""
    module = load_django()
    monkeypatch.setitem(sys.modules, "django.db", module)
    yield module
    module.connections.close_all()

"""The Python files that the pages show, as the project of a reader who has copied them all."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import redis
from redis import Redis

from tests.docs.pages import blocks

STAND_INS = Path(__file__).parent / "stand_ins"
NOT_INSTALLED = {
    "shop/jobs.py": "django-rq is no dependency of the tests, and its place is taken",
    "worker_settings.py": "sentry-sdk is no dependency of the tests, and its place is taken",
}
"""Files that are run with a stand-in for what they import, each with the reason."""

_OF_READERS = "from tests.docs.readers import *"


def files() -> dict[str, str]:
    """The files by their names. What readers have of their own is there already."""
    written: dict[str, str] = {}
    for block in blocks("python"):
        assert block.file, f"{block} does not begin with the name of its file"
        assert written.setdefault(block.file, block.text) == block.text, f"{block} is another one"
    return {name: f"{_OF_READERS}\n{text}" for name, text in written.items()}


class Project:
    """The folder with the files, and their modules."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = files()
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    @contextmanager
    def importable(self, redis_url: str) -> Iterator[None]:
        """Modules can be imported; `Redis()` in them is the server of the tests."""
        original = redis.Redis
        sys.path.insert(0, str(self.folder))
        redis.Redis = _connecting_to(redis_url)  # type: ignore[misc]  # a class is put for a class
        try:
            yield
        finally:
            redis.Redis = original  # type: ignore[misc]  # as above
            sys.path.remove(str(self.folder))
            for name in self.files:
                sys.modules.pop(module_name(name), None)


def module_name(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".")


def load(file: str) -> ModuleType:
    """Run one of the files."""
    return importlib.import_module(module_name(file))


def _connecting_to(url: str) -> type[Redis]:
    server = Redis.from_url(url).connection_pool.connection_kwargs

    class ToTheServerOfTheTests(Redis):
        def __init__(self, **options: Any) -> None:
            super().__init__(host=server["host"], port=server["port"], **options)

    return ToTheServerOfTheTests

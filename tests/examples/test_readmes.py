"""Each example has a README of five lines, and what these name is there."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path

import pytest

from tests.workers import ROOT

FOLDERS = sorted(path.parent for path in ROOT.glob("examples/*/__init__.py"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
class TestReadme:
    def test_it_has_five_lines_below_its_heading(self, folder: Path) -> None:
        heading, empty, *lines = (folder / "README.md").read_text(encoding="utf-8").splitlines()
        assert (heading[:2], empty, len(lines)) == ("# ", "", 5)

    def test_the_code_that_it_names_is_there(self, folder: Path) -> None:
        text = (folder / "README.md").read_text(encoding="utf-8")
        files = re.findall(r"`(\w+\.py)`", text)
        assert files
        assert [name for name in files if not (folder / name).is_file()] == []
        for name in re.findall(rf"examples\.{folder.name}[.\w]*", text):
            pkgutil.resolve_name(name)

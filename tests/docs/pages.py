"""The project's pages, taken apart: headings, fenced blocks, tables, links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from pathlib import Path

from tests.workers import ROOT

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_ROW = re.compile(r"^\|(.*)\|$")
_FILE = re.compile(r"# (\S+)\n")


@dataclass(frozen=True)
class Block:
    """A fenced block. `line` is where its fence stands, counted from 1."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def file(self) -> str | None:
        """The name of the file that it is, if it begins with one."""
        match = _FILE.match(self.text)
        return match[1] if match else None


@dataclass(frozen=True)
class Page:
    """One page. `name` is its path below the project's folder."""

    name: str

    @property
    def path(self) -> Path:
        return ROOT / self.name

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def blocks(self) -> list[Block]:
        return [
            Block(self.name, self.text.count("\n", 0, each.start()) + 1, each[1], each[2])
            for each in _FENCE.finditer(self.text)
        ]

    @property
    def prose(self) -> str:
        """The page without its blocks."""
        return _FENCE.sub("", self.text)

    @property
    def anchors(self) -> list[str]:
        """What links may point to, as GitHub names headings."""
        return [anchor(heading) for heading in _HEADING.findall(self.prose)]

    @property
    def links(self) -> list[str]:
        return _LINK.findall(self.prose)

    def tables(self, first_column: str) -> list[dict[str, list[str]]]:
        """The tables whose first column has this title: their rows by the first cell."""
        lines = self.text.splitlines()
        return [
            _rows(lines[at + 2 :])
            for at, line in enumerate(lines)
            if _cells(line)[:1] == [first_column]
        ]

    def table(self, first_column: str) -> dict[str, list[str]]:
        """The only table whose first column has this title."""
        (table,) = self.tables(first_column)
        return table


def _rows(lines: list[str]) -> dict[str, list[str]]:
    rows: dict[str, list[str]] = {}
    for first, *others in map(_cells, takewhile(_cells, lines)):
        assert first not in rows, f"{first!r} stands twice in a table"
        rows[first] = others
    return rows


def _cells(line: str) -> list[str]:
    match = _ROW.match(line)
    return [cell.strip() for cell in match[1].split("|")] if match else []


def anchor(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def code(cell: str) -> str:
    """What a cell has in backticks, without them."""
    match = re.fullmatch(r"`([^`]*)`", cell)
    assert match, f"{cell!r} is not code"
    return match[1]


PAGES = [
    Page(path.relative_to(ROOT).as_posix())
    for path in [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
]
BLOCKS = [block for page in PAGES for block in page.blocks]
README = Page("README.md")


def blocks(*languages: str) -> list[Block]:
    """All blocks in one of these languages."""
    return [block for block in BLOCKS if block.language in languages]

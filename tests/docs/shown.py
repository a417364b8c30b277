"""What the pages show to be run: commands, and the files that hold some."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from importlib.metadata import version

from tests.docs.pages import Block, blocks

NOT_RUN = {
    "docker": "needs a daemon; the Dockerfile is checked, and its command run",
    "make demo": "takes a minute; the tests of the example run it with fewer rows",
    "make test": "runs this test",
    "make test-oldest": "runs this test, too, with other packages",
    "make test-rq": "takes minutes and a download; .ci/run runs it",
    "pip install": "asks the package index; the tests of the packaging build the wheel",
    "python manage.py": "needs Django and django-rq, which are no dependencies of the tests",
    "sudo systemctl": "needs root and a running systemd; the unit is checked, its command run",
}
"""The beginnings of commands that no test runs, each with the reason."""

RUN = ("redis-cli", "rq requeue", "rq worker", "rq worker-pool")
"""The beginnings of those that a test runs."""


RQ_3 = int(version("rq").split(".")[0]) >= 3


def begins_with(command: str, words: str) -> bool:
    return shlex.split(command)[: len(words.split())] == words.split()


def commands(beginning: str = "") -> list[str]:
    """The commands of all consoles, or those that begin with these words."""
    lines = [line for block in blocks("console") for line in block.text.splitlines()]
    shown = {line.removeprefix("$ ") for line in lines if line.startswith("$ ")}
    assert len(lines) == sum(line.startswith("$ ") for line in lines), "a console shows output"
    runs = [each for each in shown if RQ_3 or "SpawnWorker" not in each]  # which needs RQ 3
    return sorted(each for each in runs if begins_with(each, beginning))


def parsed(block: Block) -> configparser.ConfigParser:
    """A block of sections and keys. Neither may stand twice."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case
    parser.read_string(block.text)
    return parser


def units() -> list[Block]:
    """The units of systemd."""
    return [block for block in blocks("ini") if "[Unit]" in block.text]


def programs() -> list[Block]:
    """The programs of supervisord."""
    return [block for block in blocks("ini") if "[program:" in block.text]


def listed(block: Block) -> list[list[str]]:
    """The commands that stand in a Dockerfile or in YAML, as lists of words."""
    found = re.findall(r"(?:CMD|command:) (\[.*\])$", block.text, re.MULTILINE)
    return [json.loads(words) for words in found]


def workers() -> list[str]:
    """The command lines of all workers, wherever the pages have them."""
    lines = commands("rq worker") + commands("rq worker-pool")
    lines += [parsed(unit)["Service"]["ExecStart"] for unit in units()]
    lines += [parsed(program)["program:rq-worker"]["command"] for program in programs()]
    for block in blocks("dockerfile", "yaml"):
        lines += map(shlex.join, listed(block))
    lines += [block.text.partition(": ")[2].strip() for block in blocks("procfile")]
    return sorted({line.removeprefix("/srv/app/.venv/bin/") for line in lines})

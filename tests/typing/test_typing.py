"""What users' type checkers see, told by mypy: the other files here are what it reads."""

import os
from pathlib import Path

import pytest
from mypy import api

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
OLDEST, NEWEST = "3.10", "3.14"


def complaints(sample: str, python: str, *options: str) -> str:
    """What `mypy --strict` has to say; an ignored error that is none is an error, too."""
    how = ["--strict", "--follow-imports", "silent", "--python-version", python, *options]
    where = ["--config-file", str(ROOT / "setup.cfg"), "--cache-dir", os.devnull]
    said, failure, _ = api.run([*how, *where, str(HERE / sample)])
    assert failure == ""
    return said.replace("Success: no issues found in 1 source file\n", "")


@pytest.mark.parametrize("python", [OLDEST, NEWEST])
def test_decorated_functions_have_their_own_types_less_the_step(
    monkeypatch: pytest.MonkeyPatch, python: str
) -> None:
    monkeypatch.chdir(ROOT)
    assert complaints("accepted.py", python) == ""


@pytest.mark.parametrize("python", [OLDEST, NEWEST])
def test_what_does_not_fit_a_decorated_function_is_refused_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, python: str
) -> None:
    monkeypatch.chdir(ROOT)
    assert complaints("refused.py", python) == ""


@pytest.mark.parametrize("python", [OLDEST, NEWEST])
def test_types_hold_where_neither_sqlalchemy_nor_django_is_installed(
    monkeypatch: pytest.MonkeyPatch, python: str
) -> None:
    monkeypatch.chdir(ROOT)
    assert complaints("alone.py", python, "--no-site-packages") == ""

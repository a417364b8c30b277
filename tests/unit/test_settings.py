"""The variables of the environment, as a worker reads them when it starts."""

from __future__ import annotations

import runpy
from typing import Any

import pytest

from rq_steps import settings

DEFAULT = 25.0


def read_anew() -> dict[str, Any]:
    return runpy.run_path(settings.__file__)


def test_a_setting_is_a_number_of_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RQ_STEPS_LEASE", "1.5")
    assert read_anew()["LEASE"] == 1.5


@pytest.mark.parametrize("text", [None, ""])
def test_what_is_not_set_or_empty_has_its_default(
    text: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RQ_STEPS_LEASE", raising=False)
    if text is not None:
        monkeypatch.setenv("RQ_STEPS_LEASE", text)
    assert read_anew()["LEASE"] == DEFAULT


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon", " ", "10s"])
def test_what_is_no_number_above_0_is_refused_by_its_name(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RQ_STEPS_LEASE", text)
    with pytest.raises(ValueError, match=r"^RQ_STEPS_LEASE must be a number of seconds ") as raised:
        read_anew()
    assert str(raised.value).endswith(f"greater than 0, found {text!r}")

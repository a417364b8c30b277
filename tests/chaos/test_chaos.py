"""A short run as a part of all tests; and that its judge sees what there is to be seen."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.experiment import Plan, run
from tests.chaos.strikes import KINDS


def test_nothing_is_lost_whatever_is_killed_stopped_or_canceled(tmp_path: Path) -> None:
    plan = Plan(seed=2026, seconds=15, settle=40)
    verdict = run(plan, tmp_path)
    assert not verdict.problems, "\n".join([verdict.table, *verdict.problems])
    assert all(verdict.kinds[kind] for kind in KINDS), verdict.table

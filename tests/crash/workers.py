"""Workers for worker processes of tests: `rq worker -w tests.crash.workers.<name>`."""

from __future__ import annotations

import signal

import rq_steps
from rq_steps import worker


class Elsewhere(rq_steps.Worker):
    """As on a system that tells no child of its parent's death."""

    def setup_work_horse_signals(self) -> None:
        vars(worker)["signal_when_parent_dies"] = _nothing
        super().setup_work_horse_signals()


def _nothing(signum: signal.Signals) -> None:
    pass

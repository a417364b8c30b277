"""`make chaos`, or `python -m tests.chaos --seconds 60 --seed 7`."""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.chaos.experiment import Plan, run


def main() -> int:
    """Returns the exit status: 0 if everything held."""
    plan = _plan()
    signal.signal(signal.SIGTERM, lambda _signum, _frame: sys.exit(128 + signal.SIGTERM))
    folder = Path(tempfile.mkdtemp(prefix="rq-steps-chaos-"))
    _say(f"seed {plan.seed}, journals and output in {folder}")
    try:
        verdict = run(plan, folder)
    except KeyboardInterrupt:
        _say("stopped")
        return 128 + signal.SIGINT
    _say(f"\n{verdict.table}\n")
    for problem in verdict.problems[:50]:
        _say(f"WRONG: {problem}")
    if verdict.problems:
        _say(f"{len(verdict.problems)} problems: make chaos SEED={plan.seed}")
        return 1
    shutil.rmtree(folder)
    return 0


def _plan() -> Plan:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="default: %(default)s")
    parser.add_argument("--kills", type=int, help="enough after so many")
    parser.add_argument("--seed", type=int, help="default: another one each time")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(1_000_000) if given.seed is None else given.seed
    return Plan(seed, given.seconds, given.kills)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

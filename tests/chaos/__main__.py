"""`make chaos`, or `python -m tests.chaos --seconds 60 --seed 7`."""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path

from tests.chaos.experiment import Plan, Stopped, run
from tests.chaos.verdict import Verdict

MOST_SHOWN = 3


def main() -> int:
    """Returns the exit status: 0 if everything held."""
    plan = _plan()
    stop = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: stop.set())
    folder = Path(tempfile.mkdtemp(prefix="rq-steps-chaos-"))
    _say(f"seed {plan.seed}, journals and output in {folder}")
    try:
        verdict = run(plan, folder, stop)
    except Stopped:
        shutil.rmtree(folder)
        _say("stopped")
        return 128 + signal.SIGINT
    _report(verdict, plan)
    if not verdict.problems:
        shutil.rmtree(folder)
    return 1 if verdict.problems else 0


def _report(verdict: Verdict, plan: Plan) -> None:
    _say(f"\n{verdict.table}\n")
    for problem in _few_of_each_job(verdict.problems):
        _say(f"WRONG: {problem}")
    if verdict.problems:
        _say(f"{len(verdict.problems)} problems: make chaos SEED={plan.seed}")


def _few_of_each_job(problems: list[str]) -> list[str]:
    """One job that has gone wrong may have done so with each of its executions."""
    shown: Counter[str] = Counter()
    few = []
    for problem in problems:
        about = problem.split(":")[0]
        shown[about] += 1
        if shown[about] <= MOST_SHOWN:
            few.append(problem)
    return few


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

"""Runs RQ's own tests, taken from its sdist, with our workers in the place of RQ's.

    python tests/rq/run.py [--classes rq_steps|stock] [arguments for pytest]

Without a file among the arguments, those run that concern what a worker does.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

from rq_steps.server import PrivateServer
from stand_in import PACKAGE_VARIABLE, PORT_VARIABLE, STOCK

HERE = Path(__file__).parent
PACKAGES = {"rq_steps": "rq_steps", "stock": STOCK}
SUBJECTS = (
    "callbacks",
    "commands",
    "dependencies",
    "executions",
    "intermediate_queue",
    "rate_limit",
    "repeat",
    "retry",
    "scheduler",
    "spawn_worker",
    "worker",
    "worker_pool",
)

SANDBOX = "/tmp/rq_shutdown"
"""Of RQ's tests: one that was left behind by a run that was stopped would fail the next one."""

# From <linux/prctl.h>.
PR_SET_CHILD_SUBREAPER = 36


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", choices=sorted(PACKAGES), default="rq_steps")
    options, arguments = parser.parse_known_args()
    folder = tests_of_rq(version("rq"))
    with PrivateServer() as server:
        return run(folder, arguments, PACKAGES[options.classes], server.port)


def run(folder: Path, arguments: list[str], package: str, port: int) -> int:
    if not any(argument.startswith("tests/") for argument in arguments):
        arguments = [*arguments, *(f"tests/test_{subject}.py" for subject in SUBJECTS)]
    commands = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = os.environ | {
        "PATH": commands,
        "PYTHONPATH": str(HERE),
        PACKAGE_VARIABLE: package,
        PORT_VARIABLE: str(port),
        # Among RQ's slow tests are those of shutdowns and of horses that die.
        "RUN_SLOW_TESTS_TOO": "yes",
    }
    pytest = [sys.executable, "-m", "pytest", "-p", "selection", "-p", "no:valkey"]
    pytest += ["--disable-warnings"]
    adopt_orphans()
    shutil.rmtree(SANDBOX, ignore_errors=True)
    # Some of RQ's tests kill process groups: theirs must not be ours.
    process = subprocess.Popen(
        [*pytest, *arguments], cwd=folder, env=environment, start_new_session=True
    )
    return reap_until_exit(process)


def adopt_orphans() -> None:
    """RQ's tests expect a grandchild that was killed to be gone at once, but the first process of
    a container may take its time to reap it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def reap_until_exit(process: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            pid, status = os.wait()
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGINT)
            continue
        if pid == process.pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode


def tests_of_rq(release: str) -> Path:
    """RQ's tests of this release; fetched once for an environment, and kept in it."""
    folder = Path(sys.prefix) / "rq-tests" / release
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            unpack_tests(download(release, Path(scratch)), Path(scratch) / "tests-of-rq")
            (Path(scratch) / "tests-of-rq").rename(folder)
    return folder


def download(release: str, folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    source_only = ["--no-deps", "--no-binary", "rq", f"rq=={release}", "--dest", str(folder)]
    subprocess.run([*pip, *source_only], check=True)
    return folder / f"rq-{release}.tar.gz"


def unpack_tests(sdist: Path, folder: Path) -> None:
    """Not RQ's package, which would be found before the installed one."""
    with tarfile.open(sdist) as archive:
        for member in archive.getmembers():
            _, _, path = member.name.partition("/")
            if member.isfile() and (path == "pyproject.toml" or path.startswith("tests/")):
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                content = archive.extractfile(member)
                assert content is not None
                target.write_bytes(content.read())


if __name__ == "__main__":
    sys.exit(main())

"""Jobs that die. They write where they have been into a folder, which needs no Redis.

In one item of their first execution they do what they are told to: one of `HAPPENINGS`.
"""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis import Redis
from rq.job import Job

from rq_steps import Step, continuable, step
from rq_steps.sources import lines

STOP = 5
COUNT = 10


class Scene:
    """What jobs and tests leave for each other."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    @property
    def visits(self) -> list[int]:
        """The items that were done, and done again, in order."""
        return [int(line.split()[0]) for line in self._lines("visits")]

    @property
    def executions(self) -> list[int]:
        """The processes, one for each turn of one after the other."""
        pids = [int(line.split()[1]) for line in self._lines("visits")]
        return [pid for place, pid in enumerate(pids) if place == 0 or pid != pids[place - 1]]

    @property
    def told(self) -> list[str]:
        """What the failure callback was told."""
        return self._lines("told")

    @property
    def is_held(self) -> bool:
        """Is the job in its item, waiting to be released?"""
        return (self.folder / "held").exists()

    @property
    def is_held_again(self) -> bool:
        return (self.folder / "held1").exists()

    @property
    def pipe(self) -> Path:
        return self.folder / "pipe"

    def release(self, turn: int = 0) -> None:
        (self.folder / f"released{turn or ''}").touch()

    def visit(self, place: int) -> None:
        self.write("visits", f"{place} {os.getpid()}")

    def write(self, name: str, line: str) -> None:
        with (self.folder / name).open("a") as file:
            file.write(f"{line}\n")

    def once(self, name: str) -> bool:
        """True the first time, and in one process."""
        try:
            (self.folder / name).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def hold(self, turn: int = 0) -> None:
        """The first time that it is this turn, until it is released."""
        if self.once(f"held{turn or ''}"):
            pause = threading.Event()
            while not (self.folder / f"released{turn or ''}").exists():
                pause.wait(0.005)

    def _lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []


def die(scene: Scene) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(scene: Scene) -> None:
    if scene.once("died"):
        die(scene)


def crash_once(scene: Scene) -> None:
    if scene.once("died"):
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        ctypes.string_at(0)


def exit_once(scene: Scene) -> None:
    if scene.once("died"):
        os._exit(0)


def exit_badly_once(scene: Scene) -> None:
    if scene.once("died"):
        os._exit(3)


def hold_deaf(scene: Scene) -> None:
    """Held inside one call that lets no other thread run."""
    if scene.once("held"):
        pipe = os.open(scene.pipe, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(pipe, True)
        ctypes.PyDLL(None).read(pipe, ctypes.create_string_buffer(1), 1)


def hold_and_fail(scene: Scene) -> None:
    if not scene.is_held:
        scene.hold()
        raise RuntimeError("out of order")


def hold_each_time(scene: Scene) -> None:
    """Held once more when the item is done again."""
    scene.hold(int(scene.is_held))


def hang(scene: Scene) -> None:
    threading.Event().wait()


def give_up(scene: Scene) -> None:
    """No error that is resumed."""
    raise SystemExit("out of order")


def nothing(scene: Scene) -> None:
    pass


HAPPENINGS: dict[str, Callable[[Scene], None]] = {
    each.__name__: each
    for each in (
        die,
        die_once,
        crash_once,
        exit_once,
        exit_badly_once,
        hold_deaf,
        hold_and_fail,
        hold_each_time,
        hang,
        give_up,
        nothing,
        Scene.hold,
    )
}


@step
def rows(step: Step, folder: str, happening: str) -> int:
    scene = Scene(folder)
    for row in step.each(range(COUNT)):
        scene.visit(row)
        if row == STOP:
            HAPPENINGS[happening](scene)
    return COUNT


@step
def remote_lines(step: Step, folder: str, url: str, place: int, happening: str) -> None:
    """From this line on it is a matter of the scene."""
    scene = Scene(folder)
    for line in step.each(lines(url)):
        if int(line) >= place:
            step.save()
            scene.visit(int(line))
            HAPPENINGS[happening](scene)


@continuable
def import_from_the_web(folder: str, url: str, place: int, happening: str) -> None:
    remote_lines(folder, url, place, happening)


@step
def slow_rows(step: Step, folder: str, count: int) -> None:
    pause = threading.Event()
    for row in step.each(range(count)):
        Scene(folder).visit(row)
        pause.wait(0.02)


@continuable
def import_slowly(folder: str, count: int) -> None:
    """Each row takes a fiftieth of a second."""
    slow_rows(folder, count)


@continuable(error_wait=0)
def import_and_hang(folder: str) -> None:
    """In one row for ever."""
    rows(folder, "hang")


@continuable(save_every=0)
def import_rows(folder: str, happening: str = "nothing") -> int:
    """Every checkpoint is saved."""
    return rows(folder, happening)


@continuable(save_every=0, resume_queue="other")
def import_rows_elsewhere(folder: str, happening: str) -> int:
    """Resumed on another queue."""
    return rows(folder, happening)


@continuable(save_every=3600)
def import_rows_unsaved(folder: str, happening: str = "nothing") -> int:
    """Saved when its step begins and ends, and when it is left."""
    return rows(folder, happening)


def _dying_early(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(folder: str) -> Any:
        if Scene(folder).once("died"):
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        return function(folder)

    return call


@_dying_early
@continuable(save_every=0)
def import_rows_dying_early(folder: str) -> int:
    """The first time it dies with its worker, after RQ has called it started."""
    return rows(folder, "nothing")


@step
def rows_one_by_one(step: Step, folder: str) -> None:
    scene = Scene(folder)
    for row in step.each(range(COUNT)):
        scene.visit(row)
        if scene.once(f"died at {row}"):
            die(scene)


@continuable(save_every=0)
def import_one_row_each_time(folder: str) -> None:
    """It dies in each row, once."""
    rows_one_by_one(folder)


@continuable
def die_before_the_first_step(folder: str) -> None:
    scene = Scene(folder)
    scene.visit(0)
    die(scene)


def plain(folder: str, happening: str = "nothing") -> int:
    """No continuable."""
    scene = Scene(folder)
    for row in range(COUNT):
        scene.visit(row)
        if row == STOP:
            HAPPENINGS[happening](scene)
    return COUNT


def keep_busy(folder: str) -> None:
    """No continuable: in one item until the test ends."""
    Scene(folder).hold(2)


def tell(job: Job, connection: Redis, kind: type[BaseException], error: Any, _: Any) -> None:
    """A failure callback. The folder is the job's first argument."""
    Scene(job.args[0]).write("told", f"{kind.__name__}: {error}")


def finished_slowly(job: Job, connection: Redis, result: object) -> None:
    """A success callback that waits for the test."""
    _call_back_slowly(Scene(job.args[0]))


def failed_slowly(job: Job, connection: Redis, *error: object) -> None:
    """A failure callback that does."""
    _call_back_slowly(Scene(job.args[0]))


def _call_back_slowly(scene: Scene) -> None:
    scene.write("told", str(os.getpid()))
    scene.hold()

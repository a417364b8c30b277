"""Jobs in a module that takes long to be imported: until the test releases it."""

from __future__ import annotations

import os

from rq_steps import continuable
from tests.crash import jobs
from tests.crash.jobs import Scene

Scene(os.environ["FOLDER"]).hold()


def plain(folder: str) -> int:
    return jobs.plain(folder)


@continuable(save_every=0)
def import_rows(folder: str) -> int:
    return jobs.rows(folder, "nothing")

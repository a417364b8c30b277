"""The test kit in a Django project: in memory, and on real workers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workers import ROOT

FILES = {
    "settings.py": """
from pathlib import Path

FOLDER = Path(__file__).parent
DATABASES = {"default": {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": FOLDER / "production.db",
    "OPTIONS": {"timeout": 20},
    "TEST": {"NAME": FOLDER / "test.db"},
}}
INSTALLED_APPS = ["shop"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
""",
    "shop/__init__.py": "",
    "shop/models.py": """
from django.db import models

class Order(models.Model):
    number = models.IntegerField()
""",
    "shop/jobs.py": """
from django.db import transaction
from rq_steps import Step, continuable, step
from shop.models import Order

@step
def renumber_orders(step: Step) -> int:
    for order in step.each(Order.objects.all()):
        with transaction.atomic():
            Order.objects.filter(pk=order.pk).update(number=order.pk * 10)
    return Order.objects.count()

@continuable
def renumber() -> int:
    return renumber_orders()

@step
def renumber_at_once(step: Step) -> None:
    with transaction.atomic():
        for order in step.each(Order.objects.all()):
            order.save()

@continuable
def in_one_transaction() -> None:
    renumber_at_once()
""",
    "shop/live_worker.py": """
import os
import django
from django.conf import settings

settings.DATABASES["default"]["NAME"] = os.environ["TEST_DATABASE"]
django.setup()

from rq_steps import Worker
""",
}

IN_MEMORY = """
from django.test import TestCase, TransactionTestCase
from rq_steps import CheckpointError
from rq_steps.testing import Rehearsal, everywhere
from shop.jobs import in_one_transaction, renumber
from shop.models import Order

class Orders:
    def setUp(self):
        Order.objects.bulk_create(Order(number=0) for _ in range(4))

    def test_they_are_renumbered_wherever_the_job_is_cut(self):
        def make():
            Order.objects.update(number=0)
            return Rehearsal(renumber)

        def check(rehearsal):
            self.assertEqual(rehearsal.result, 4)
            self.assertFalse(Order.objects.filter(number=0).exists())

        everywhere(make, check)

    def test_a_loop_within_a_transaction_is_told_of(self):
        with self.assertRaises(CheckpointError):
            Rehearsal(in_one_transaction).run()

class OrdersInATransaction(Orders, TestCase):
    pass

class OrdersThatAreCommitted(Orders, TransactionTestCase):
    pass
"""

ON_WORKERS = """
import os
from django.db import connection
from django.test import TransactionTestCase
from rq_steps.testing import LiveJobs
from shop.jobs import renumber
from shop.models import Order

class Orders(TransactionTestCase):
    def test_they_are_renumbered_over_a_deploy_and_a_crash(self):
        Order.objects.bulk_create(Order(number=0) for _ in range(4))
        first, second, *_ = Order.objects.order_by("id").values_list("id", flat=True)
        os.environ["TEST_DATABASE"] = str(connection.settings_dict["NAME"])
        with LiveJobs(worker_class="shop.live_worker.Worker") as live_jobs:
            job = live_jobs.enqueue(renumber)
            live_jobs.stop(during="renumber_orders", cursor=[first])
            live_jobs.kill_horse(during="renumber_orders", cursor=[second])
            live_jobs.run(job)
            self.assertEqual(job.return_value(), 4)
        self.assertFalse(Order.objects.filter(number=0).exists())
"""


def run_django_tests(folder: Path, tests: str) -> str:
    """What Django's test runner says of them."""
    for name, text in (FILES | {"shop/tests.py": tests}).items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    environment = {
        "DJANGO_SETTINGS_MODULE": "settings",
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
    }
    done = subprocess.run(
        [sys.executable, "-m", "django", "test", "--noinput"],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert not (folder / "production.db").exists()
    return done.stderr


def test_jobs_are_rehearsed_within_a_transaction_and_without(tmp_path: Path) -> None:
    said = run_django_tests(tmp_path, IN_MEMORY)
    assert "Ran 4 tests" in said
    assert "\nOK\n" in said, said


@pytest.mark.server
@pytest.mark.workers
def test_real_workers_use_the_test_database_by_a_worker_class(tmp_path: Path) -> None:
    said = run_django_tests(tmp_path, ON_WORKERS)
    assert "Ran 1 test" in said
    assert "\nOK\n" in said, said

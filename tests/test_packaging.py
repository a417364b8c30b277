"""What users install, and what importing it costs them."""

import ast
import shutil
import subprocess
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

import rq_steps
from rq_steps import pytest_plugin
from tests.workers import ROOT

LUA_FILES = {f"rq_steps/{path.name}" for path in (ROOT / "rq_steps").glob("*.lua")}
MODULES = {path.relative_to(ROOT).as_posix() for path in (ROOT / "rq_steps").rglob("*.py")}


def python(code: str) -> str:
    """What a fresh Python prints."""
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return run.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the sdist, and of the wheel that was built from it.

    Built in a copy, since building leaves folders behind, and without a fresh environment, since
    that would fetch setuptools once more.
    """
    source = tmp_path_factory.mktemp("source") / "rq-steps"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "*.egg-info", "__pycache__"))
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(source)]
    run = subprocess.run(build, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


def names_in_wheel(distributions: Path) -> set[str]:
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def names_in_sdist(distributions: Path) -> set[str]:
    (sdist,) = distributions.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def test_the_wheel_holds_every_module_the_type_marker_and_the_lua_files(
    distributions: Path,
) -> None:
    assert LUA_FILES
    assert names_in_wheel(distributions) >= MODULES | LUA_FILES | {"rq_steps/py.typed"}


def test_the_wheel_holds_nothing_but_the_package_and_its_metadata(distributions: Path) -> None:
    folders = {name.partition("/")[0] for name in names_in_wheel(distributions)}
    assert folders == {"rq_steps", f"rq_steps-{rq_steps.__version__}.dist-info"}


def test_the_sdist_holds_the_package_and_what_tests_it(distributions: Path) -> None:
    wanted = {"rq_steps/py.typed", "tests/workers.py", "Makefile", "LICENSE"}
    assert names_in_sdist(distributions) >= MODULES | LUA_FILES | wanted


def metadata_in_wheel(distributions: Path, file: str) -> str:
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(f".dist-info/{file}"))
        return archive.read(name).decode()


def test_the_wheel_says_which_licence_and_which_python(distributions: Path) -> None:
    metadata = metadata_in_wheel(distributions, "METADATA")
    assert "License-Expression: MIT" in metadata
    assert "Requires-Python: >=3.10" in metadata


def test_pytest_finds_the_fixtures_by_the_wheels_entry_point(distributions: Path) -> None:
    entry_points = ConfigParser()
    entry_points.read_string(metadata_in_wheel(distributions, "entry_points.txt"))
    assert dict(entry_points["pytest11"]) == {"rq_steps": pytest_plugin.__name__}


def test_importing_the_package_loads_only_what_it_depends_on() -> None:
    code = (
        "import sys, {}\n"
        "tops = {{name.partition('.')[0] for name in sys.modules}}\n"
        "print(*sorted(tops - set(sys.stdlib_module_names)))"
    )
    of_dependencies = set(python(code.format("rq, redis, cloudpickle")).split())
    assert set(python(code.format("rq_steps")).split()) - of_dependencies <= {"rq_steps"}


@pytest.mark.parametrize("names", ["step, continuable", "step, Step, continuable, StepsError"])
def test_decorating_a_function_loads_no_worker(names: str) -> None:
    loaded = python(f"import sys; from rq_steps import {names}; print(*sys.modules)").split()
    assert not {"rq_steps.worker", "rq.worker"} & set(loaded)


def test_all_is_sorted_and_every_name_in_it_is_there() -> None:
    assert rq_steps.__all__ == sorted(rq_steps.__all__)
    assert all(hasattr(rq_steps, name) for name in rq_steps.__all__)


def test_the_version_is_a_literal() -> None:
    module = ast.parse((ROOT / "rq_steps" / "__init__.py").read_text())
    versions = [
        node.value.value
        for node in module.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and ast.unparse(node.targets[0]) == "__version__"
    ]
    assert versions == [rq_steps.__version__]

"""The checks of the tree find what they are for, and nothing in a tree that is well."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.metrics import Metrics
from runtime.settings import Settings
from schemas.lifecycle import drawing
from tests import check_tree
from tests.check_tree import ROOT
from tests.made_pages import between, field_docstrings, made, metric_rows

INDEX = "-".join(("index", "url"))
"""In two parts, so that this file itself does not hold what it forbids."""

PIN = "alpha==1.2 \\\n    --hash=sha256:aa\n"
PROJECT = """
[project]
dependencies = ["alpha>=1"]
[dependency-groups]
dev = ["Beta_Two>=2 ; python_version < '4'"]
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small project without a fault."""
    for folder in ("deploy", "docs", "runtime", "schemas"):
        (tmp_path / folder).mkdir()
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "requirements.lock").write_text(
        PIN + "beta-two==2.0 ; os_name == 'nt' \\\n    --hash=sha256:bb\n"
    )
    (tmp_path / "requirements-model.lock").write_text("# weights\ngamma==3 \\\n    --hash=sha256:cc\n")
    (tmp_path / "deploy/requirements.lock").write_text(PIN)
    shutil.copy(ROOT / "runtime" / "settings.py", tmp_path / "runtime")
    (tmp_path / "schemas" / "job.py").write_text('"""A job."""\n')
    (tmp_path / "schemas" / "__init__.py").write_text("")
    (tmp_path / "docs" / "settings.md").write_text(made(tmp_path)["docs/settings.md"])
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return tmp_path


def test_a_tree_without_a_fault_has_none(tree: Path) -> None:
    assert [fault for check in check_tree.CHECKS for fault in check(tree)] == []


@pytest.mark.parametrize(
    ("path", "text", "check", "said"),
    [
        ("requirements.lock", "alpha==1.2\n", check_tree.lock_faults, "alpha is not pinned with a hash"),
        ("requirements.lock", "alpha>=1 --hash=sha256:aa\n", check_tree.lock_faults, "alpha is not pinned"),
        (
            "requirements.lock",
            f"--{INDEX} there\n" + PIN,
            check_tree.lock_faults,
            f"'--{INDEX}' says where",
        ),
        ("requirements.lock", "alpha @ file:///x\n", check_tree.lock_faults, "'alpha' says where"),
        ("requirements.lock", PIN, check_tree.stale_locks, "Beta_Two is missing"),
        (
            "pyproject.toml",
            '[project]\ndependencies = ["alpha>=2"]',
            check_tree.stale_locks,
            "alpha is at 1.2",
        ),
        ("deploy/requirements.lock", PIN.replace("aa", "ab"), check_tree.stale_locks, "alpha differs"),
        ("Makefile", f"pip --{INDEX}=there\n", check_tree.address_faults, f"Makefile: '{INDEX}'"),
        ("notes.txt", "x" * 1_000_001, check_tree.large_files, "notes.txt: 1,000,001 bytes"),
        ("schemas/job.py", "A = 1\n", check_tree.module_faults, "job.py: has no docstring"),
        ("schemas/job.py", '"""Long."""\n' + "\n" * 400, check_tree.module_faults, "401 lines"),
        (
            "schemas/types.py",
            '"""Types."""\n',
            check_tree.module_faults,
            "named like a module of the standard",
        ),
        ("docs/settings.md", "# Settings\n", check_tree.page_faults, "docs/settings.md: differs"),
        (
            "docs/architecture.md",
            "<!-- lifecycle -->\nold\n<!-- /lifecycle -->\n",
            check_tree.page_faults,
            "docs/architecture.md: differs",
        ),
    ],
)
def test_a_fault_is_a_sentence(
    tree: Path, path: str, text: str, check: Callable[[Path], Iterator[str]], said: str
) -> None:
    (tree / path).write_text(text)

    faults = list(check(tree))

    assert any(said in fault for fault in faults), faults


def test_a_drawing_is_put_between_its_marks() -> None:
    text = "before\n<!-- lifecycle: why -->\nold\n<!-- /lifecycle -->\nafter\n"

    told = between(text, "lifecycle", drawing())

    assert told == f"before\n<!-- lifecycle: why -->\n{drawing()}<!-- /lifecycle -->\nafter\n"
    assert between(told, "lifecycle", drawing()) == told


def test_every_setting_and_every_metric_is_on_its_page() -> None:
    settings = (ROOT / "docs" / "settings.md").read_text()
    metrics = (ROOT / "docs" / "metrics.md").read_text()

    for name in Settings.model_fields:
        assert f"`CLASSYARD_{name.upper()}`" in settings
    for row in metric_rows():
        assert row in metrics
    for family in Metrics().registry.collect():
        assert f"`{family.name}" in metrics


def test_a_string_beneath_a_field_is_its_meaning() -> None:
    source = 'class Settings:\n    a: int = 1\n    """Of\n    a."""\n    b: int = 2\n    c: int = 3\n'

    assert field_docstrings(source) == {"a": "Of a."}

"""What `make check` asks of the tree itself: lock files, made pages, sizes, names. `--write` makes the pages anew.

Each check is a function from the project's folder to sentences; no sentence, no fault.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from runtime.settings import Settings
from tests.made_pages import field_docstrings, made

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    *("schemas", "runtime", "simulator", "governance"),
    *("producer", "router_worker", "provider_workers", "classyard"),
)
LOCKS = ("requirements.lock", "requirements-model.lock", "deploy/requirements.lock")
MOST_BYTES = 1_000_000
MOST_LINES = 400

ADDRESSES = re.compile(
    r"(?<!emit-)index-url|\bfind-links\b|https?://\S+/simple\b|https?://\S+/packages/\S+\.(whl|tar\.gz)",
    re.IGNORECASE,
)
"""Where packages come from is for each machine to say, and not for the project."""

NAMES_THEM = frozenset({"tests/check_tree.py", "tests/unit/test_check_tree.py"})

Check = Callable[[Path], Iterator[str]]


def main(arguments: list[str]) -> int:
    if arguments == ["--write"]:
        for path, text in made(ROOT).items():
            (ROOT / path).write_text(text, encoding="utf-8")
    faults = [fault for check in CHECKS for fault in check(ROOT)]
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    return 1 if faults else 0


# -- lock files


def locked(text: str) -> dict[str, str]:
    """Entries of a lock file by name: each with its pin, marker and hashes, on one line."""
    joined = text.replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    return {
        f"{canonicalize_name(re.split(r'[=<>!~;@ ]', line)[0])}": " ".join(line.split()) for line in lines
    }


def lock_faults(root: Path) -> Iterator[str]:
    """Every entry pinned, with hashes, and no word of where it comes from."""
    for path in LOCKS:
        for name, entry in locked((root / path).read_text(encoding="utf-8")).items():
            if entry.startswith("-") or "://" in entry or " @ " in entry:
                yield f"{path}: {entry.split()[0]!r} says where packages come from."
            elif "--hash=sha256:" not in entry or "==" not in entry.split(" --hash")[0]:
                yield f"{path}: {name} is not pinned with a hash."


def stale_locks(root: Path) -> Iterator[str]:
    """What pyproject.toml asks for is in the locks, at a version that it allows."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    run = project["project"]["dependencies"]
    extras = [one for group in project["project"].get("optional-dependencies", {}).values() for one in group]
    groups = [one for group in project.get("dependency-groups", {}).values() for one in group]
    whole = locked((root / "requirements.lock").read_text(encoding="utf-8"))
    image = locked((root / "deploy/requirements.lock").read_text(encoding="utf-8"))
    yield from _missing("requirements.lock", whole, [*run, *extras, *groups])
    yield from _missing("deploy/requirements.lock", image, run)
    for name in sorted(image):
        if image[name] != whole.get(name):
            yield f"deploy/requirements.lock: {name} differs from requirements.lock; run 'make lock'."


def _missing(path: str, entries: Mapping[str, str], wanted: list[str]) -> Iterator[str]:
    for requirement in map(Requirement, wanted):
        entry = entries.get(canonicalize_name(requirement.name))
        pin = re.search(r"==([^\s;]+)", entry) if entry else None
        if pin is None:
            yield f"{path}: {requirement.name} is missing; run 'make lock'."
        elif not requirement.specifier.contains(pin.group(1), prereleases=True):
            yield f"{path}: {requirement.name} is at {pin.group(1)}, and pyproject.toml asks for {requirement}."


# -- files


def tracked(root: Path) -> list[Path]:
    """Files of the project, those included that are about to be added; without git, those of its packages."""
    asked = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(asked, capture_output=True, check=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        return [path for package in PACKAGES for path in (root / package).rglob("*.py")]
    return [path for path in (root / name for name in listed if name) if path.is_file()]


def address_faults(root: Path) -> Iterator[str]:
    for path in tracked(root):
        name = path.relative_to(root).as_posix()
        text = path.read_text(encoding="utf-8", errors="replace")
        if name not in NAMES_THEM and (found := ADDRESSES.search(text)):
            yield f"{name}: {found.group()!r} says where packages come from."


def large_files(root: Path) -> Iterator[str]:
    for path in tracked(root):
        if path.stat().st_size > MOST_BYTES:
            yield f"{path.relative_to(root)}: {path.stat().st_size:,} bytes; the most is {MOST_BYTES:,}."


# -- modules


def module_faults(root: Path) -> Iterator[str]:
    """Every module says what it is for, stays readable in one sitting, and hides nothing of the standard library."""
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            name, text = path.relative_to(root), path.read_text(encoding="utf-8")
            if text.strip() and not ast.get_docstring(ast.parse(text)):
                yield f"{name}: has no docstring."
            if (lines := text.count("\n")) > MOST_LINES:
                yield f"{name}: {lines} lines; the most is {MOST_LINES}."
            if path.stem in sys.stdlib_module_names and not path.stem.startswith("__"):
                yield f"{name}: is named like a module of the standard library."


# -- pages


def page_faults(root: Path) -> Iterator[str]:
    """Made pages are as they would be made now."""
    for path, text in made(root).items():
        if not (root / path).exists() or (root / path).read_text(encoding="utf-8") != text:
            yield f"{path}: differs from what the code says; run 'python -m tests.check_tree --write'."


def setting_faults(root: Path) -> Iterator[str]:
    told = field_docstrings((root / "runtime/settings.py").read_text(encoding="utf-8"))
    for name in Settings.model_fields:
        if name not in told:
            yield f"runtime/settings.py: {name} has no string beneath it that says what it is."


CHECKS: tuple[Check, ...] = (
    lock_faults,
    stale_locks,
    address_faults,
    large_files,
    module_faults,
    setting_faults,
    page_faults,
)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

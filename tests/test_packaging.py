"""The project installs from its hashed locks, and its wheel holds what the code reads."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

REPOSITORY = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-dev.lock")
PROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))

RUNTIME: list[str] = PROJECT["project"]["dependencies"] + PROJECT["build-system"]["requires"]
OPTIONAL: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
DEVELOPMENT: list[str] = RUNTIME + OPTIONAL["dev"]

# Every environment that the classifiers promise, as far as markers tell them apart.
ENVIRONMENTS = [
    {
        "python_version": f"3.{minor}",
        "python_full_version": f"3.{minor}.4",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "extra": "",
    }
    for minor in (11, 12, 13, 14)
    for machine in ("x86_64", "aarch64")
]


class Pin(NamedTuple):
    """One entry of a lock."""

    name: str
    version: Version
    marker: Marker | None
    hashes: tuple[str, ...]

    def holds_in(self, environment: dict[str, str]) -> bool:
        return self.marker is None or self.marker.evaluate(environment)


def entries(lock: str) -> Iterator[str]:
    """Logical lines of a lock: continued lines joined, comments and blanks left out."""
    text = (REPOSITORY / lock).read_text("utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        entry = re.sub(r"(^|\s)#.*", "", line).strip()
        if entry:
            yield entry


def pins(lock: str) -> list[Pin]:
    found = []
    for entry in entries(lock):
        requirement = Requirement(entry.split("--hash", 1)[0].strip())
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", f"{lock}: not pinned: {entry}"
        assert "*" not in specifier.version, f"{lock}: not pinned: {entry}"
        found.append(
            Pin(
                canonicalize_name(requirement.name),
                Version(specifier.version),
                requirement.marker,
                tuple(re.findall(r"--hash=(\S+)", entry)),
            )
        )
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_index_and_no_address(lock: str) -> None:
    text = (REPOSITORY / lock).read_text("utf-8")
    assert "://" not in text
    # An option would stand at the start of a line; --hash is indented after its package.
    assert not re.search(r"^-", text, flags=re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_entry_is_hashed(lock: str) -> None:
    locked = pins(lock)
    assert len(locked) > 40
    for pin in locked:
        assert pin.hashes, f"{lock}: {pin.name} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in pin.hashes)


@pytest.mark.parametrize(
    ("lock", "requirements"), [(LOCKS[0], RUNTIME), (LOCKS[1], DEVELOPMENT)], ids=LOCKS
)
def test_a_lock_satisfies_the_project(lock: str, requirements: list[str]) -> None:
    locked = pins(lock)
    for environment in ENVIRONMENTS:
        chosen: dict[str, Version] = {}
        for pin in locked:
            if pin.holds_in(environment):
                assert pin.name not in chosen, f"{lock}: {pin.name} twice in {environment}"
                chosen[pin.name] = pin.version
        for text in requirements:
            wanted = Requirement(text)
            if wanted.marker is not None and not wanted.marker.evaluate(environment):
                continue
            name = canonicalize_name(wanted.name)
            assert name in chosen, f"{lock} lacks {text}: run `make lock`"
            assert wanted.specifier.contains(chosen[name], prereleases=True), (
                f"{lock} has {name} {chosen[name]}, pyproject.toml wants {text}: run `make lock`"
            )


def test_tests_run_on_the_versions_that_are_served() -> None:
    served, developed = ({(pin.name, pin.version) for pin in pins(lock)} for lock in LOCKS)
    assert served <= developed


def imported(folders: tuple[str, ...]) -> dict[str, str]:
    """Top-level names of foreign modules → one file that imports them."""
    own = {"clustering", "service", "tests", *sys.stdlib_module_names}
    found: dict[str, str] = {}
    for folder in folders:
        for path in (REPOSITORY / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                    names = [node.module]
                else:
                    continue
                for name in names:
                    top = name.split(".", 1)[0]
                    if top not in own:
                        found[top] = path.relative_to(REPOSITORY).as_posix()
    return found


@pytest.mark.parametrize(
    ("folders", "extras"),
    [
        (("clustering", "service"), ("training", "distributed", "parquet")),
        (("tests",), ("training", "dev", "bench")),
    ],
    ids=["packages", "tests"],
)
def test_what_is_imported_is_declared(folders: tuple[str, ...], extras: tuple[str, ...]) -> None:
    """A package that is only there because another one needs it may be gone tomorrow."""
    declared = {
        canonicalize_name(Requirement(text).name)
        for text in RUNTIME + [r for e in extras for r in OPTIONAL[e]]
    }
    distributions = packages_distributions()
    undeclared = {
        name: path
        for name, path in imported(folders).items()
        if not {canonicalize_name(text) for text in distributions.get(name, [name])} & declared
    }
    assert undeclared == {}


def test_there_is_no_other_lock() -> None:
    others = ("uv.lock", "pylock.toml", "poetry.lock", "Pipfile.lock", "requirements.txt")
    assert [name for name in others if (REPOSITORY / name).exists()] == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built by the locked backend from a copy: setuptools leaves ``build/`` behind."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(REPOSITORY / name, source)
    for name in ("clustering", "service"):
        shutil.copytree(
            REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    built = tmp_path_factory.mktemp("wheel")
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", build, str(built)], cwd=source, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (path,) = built.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_every_file_of_the_packages(wheel: zipfile.ZipFile) -> None:
    """Each file that stands in a package is there for the code to read, whatever its ending."""
    expected = {
        path.relative_to(REPOSITORY).as_posix()
        for package in ("clustering", "service")
        for path in (REPOSITORY / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {path for path in expected if path.endswith("py.typed")} == {
        "clustering/py.typed",
        "service/py.typed",
    }
    # The store's scripts, the tables of the preparation, the sample articles.
    for ending in (".lua", ".npz", ".jsonl"):
        assert any(path.endswith(ending) for path in expected), f"no {ending} in the packages"
    missing = sorted(expected - set(wheel.namelist()))
    assert missing == [], "add their endings to [tool.setuptools.package-data] in pyproject.toml"


def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/", 1)[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"clustering", "service"}


def test_the_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    (path,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = HeaderParser().parsestr(wheel.read(path).decode("utf-8"))
    assert metadata["Name"] == "samestory"
    assert metadata["License-Expression"] == "Apache-2.0 AND CC-BY-SA-4.0 AND Unicode-3.0"
    assert sorted(metadata.get_all("License-File", [])) == ["LICENSE", "NOTICE"]
    assert metadata["Requires-Python"] == ">=3.11"
    scripts = wheel.read(path.replace("METADATA", "entry_points.txt")).decode("utf-8")
    assert "samestory = service.cli:main" in scripts


def test_the_command_is_installed() -> None:
    command = Path(sys.executable).parent / "samestory"
    done = subprocess.run([str(command), "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "serve" in done.stdout


def test_the_licence_is_whole() -> None:
    text = (REPOSITORY / "LICENSE").read_text("utf-8")
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_notice_names_data_that_is_there() -> None:
    """Data under another licence is named by its path: a renamed file must be renamed here."""
    text = (REPOSITORY / "NOTICE").read_text("utf-8")
    tables = "clustering/prepare/tables/"
    named = re.findall(rf"^{tables}(\S+)(?: and (\S+))?$", text, flags=re.MULTILINE)
    files = {name for names in named for name in names if name}
    assert {"frequencies.npz", "stopwords.json"} <= files
    assert [name for name in files if not (REPOSITORY / tables / name).is_file()] == []


def test_make_alone_explains_every_target() -> None:
    done = subprocess.run(["make"], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    explained = set(re.findall(r"^  make (\S+)", done.stdout, flags=re.MULTILINE))
    assert explained == {
        *("help", "demo", "serve", "test", "lint", "bench", "bench-short", "bench-quality"),
        *("lock", "clean"),
    }


class TestSetUp:
    """``.ci/set-up`` where it must say something; CI runs it whole in a fresh clone."""

    @pytest.fixture
    def clone(self, tmp_path: Path) -> Path:
        """The files that it reads, in a folder with a space in its name."""
        clone = tmp_path / "a clone"
        (clone / ".ci").mkdir(parents=True)
        shutil.copy(REPOSITORY / ".ci" / "set-up", clone / ".ci")
        for name in ("pyproject.toml", *LOCKS):
            shutil.copy(REPOSITORY / name, clone)
        return clone

    @pytest.fixture
    def tools(self, tmp_path: Path) -> Path:
        """A PATH with what a POSIX system has, and no Python."""
        tools = tmp_path / "tools"
        tools.mkdir()
        for name in ("sh", "dirname", "cat", "cksum", "rm"):
            found = shutil.which(name)
            assert found, name
            (tools / name).symlink_to(found)
        return tools

    def run(
        self, clone: Path, *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(clone / ".ci" / "set-up"), *arguments],
            env=environment,
            capture_output=True,
            text=True,
        )

    def test_without_python(self, clone: Path, tools: Path) -> None:
        done = self.run(clone, PATH=str(tools))
        assert done.returncode != 0
        assert "no Python 3.11 to 3.14 with pip was found" in done.stderr
        assert not (clone / ".venv").exists()

    def test_python_too_old(self, clone: Path, tools: Path) -> None:
        # Answers like a Python that fails the version check, under every name that is tried.
        for name in ("python3", "python3.12", "python"):
            old = tools / name
            old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
            old.chmod(0o755)
        done = self.run(clone, PATH=str(tools))
        assert done.returncode != 0
        assert "no Python 3.11 to 3.14 with pip was found" in done.stderr

    def test_chosen_python_is_none(self, clone: Path) -> None:
        done = self.run(clone, PATH=os.environ["PATH"], PYTHON="/bin/false")
        assert done.returncode != 0
        assert "PYTHON=/bin/false is not a Python 3.11 or newer" in done.stderr

    def test_unknown_level(self, clone: Path) -> None:
        done = self.run(clone, "everything", PATH=os.environ["PATH"])
        assert done.returncode == 2
        assert "usage" in done.stderr

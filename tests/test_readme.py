"""What the README promises is there, and what is there the README tells."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clustering import SUPPORTED_LANGUAGES
from service.app import create_app
from service.cli import app as command_line
from service.settings import Settings, environment_name

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented_with_its_default(name: str) -> None:
    row = re.search(rf"^\| `{environment_name(name)}` \| (.*?) \|", README, re.MULTILINE)
    assert row, f"{environment_name(name)} is not in the README's table of settings"
    default = Settings.model_fields[name].default
    shown = "none" if default is None else f"`{default:g}`" if isinstance(default, float) else None
    assert row[1] == (shown or f"`{default}`")


def test_no_setting_is_documented_that_is_not_there() -> None:
    known = {environment_name(name) for name in Settings.model_fields} | {"SAMESTORY_DATA"}
    assert set(re.findall(r"\bSAMESTORY_[A-Z_]+\b", README)) <= known


def test_every_endpoint_is_documented() -> None:
    paths = create_app(Settings(redis_url="redis://127.0.0.1:1/0")).openapi()["paths"]
    for path, operations in paths.items():
        plain = re.sub(r"\{[a-z_:]+\}", "{id}", path)
        if plain in ("/", "/v1/reclusterings/{id}"):
            continue
        for method in operations:
            assert f"`{method.upper()} {plain}`" in README or f"`{plain}`" in README, (
                f"{method.upper()} {plain} is not in the README"
            )


def test_every_command_is_documented() -> None:
    for command in command_line.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__.removesuffix("_")
        assert re.search(rf"`samestory [a-z |]*\b{name}\b", README), f"{name} is not in the README"


def test_the_languages_are_those_that_ship() -> None:
    section = README.split("## Languages")[1].split("##")[0]
    listed = re.findall(r"\b[a-z]{2}\b(?=[,. (])", section.split("languages:")[1].split("Every")[0])
    assert sorted(set(listed)) == sorted(SUPPORTED_LANGUAGES)


def test_links_to_files_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", README):
        assert (ROOT / target).exists(), target

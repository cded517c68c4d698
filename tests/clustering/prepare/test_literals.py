"""Every match of a pattern holds one of the literals that it is said to need."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clustering.prepare.literals import required_literals

_NOTICES = json.loads(
    files("clustering.prepare").joinpath("tables/boilerplate_notices.json").read_text("utf-8")
)["notices"]
_PATTERNS = [pattern for group in _NOTICES.values() for pattern in group]


@pytest.mark.parametrize(
    ("pattern", "literals"),
    [
        ("captcha", {"captcha"}),
        ("(?:log|sign) in", {"log in", "sign in"}),
        ("to (?:continue|keep) reading", {"to continue reading", "to keep reading"}),
        ("news ?paper", {"newspaper", "news paper"}),
        (r"already a \w+ member", {"already a "}),
        (r"error[\s:]*found", {"error", "found"}),
        ("(?:a|bc)+def", {"def"}),
        ("x{2,3}yes", {"yes"}),
        ("(?:abc)?", set()),
        ("(?:abc|.)", set()),
        (r"^40[0-2]\b", {"400", "401", "402"}),
        (r"\d+ views?", {" view", " views"}),
    ],
)
def test_literals(pattern: str, literals: set[str]) -> None:
    found = set(required_literals(pattern))
    assert found <= literals
    assert bool(found) == bool(literals)


def test_every_notice_needs_a_literal() -> None:
    assert all(map(required_literals, _PATTERNS))


@pytest.mark.parametrize("pattern", ["(?:abc", "abc)"])
def test_unbalanced(pattern: str) -> None:
    with pytest.raises(ValueError, match="unbalanced"):
        required_literals(pattern)


@given(st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_every_match_holds_one(data: st.DataObject) -> None:
    pattern = data.draw(st.sampled_from([each for each in _PATTERNS if "\\p" not in each]))
    match = data.draw(st.from_regex(re.compile(pattern, re.IGNORECASE)))
    found = _folded(match)
    assert any(_folded(literal) in found for literal in required_literals(pattern))


def _folded(text: str) -> str:
    """One spelling of what patterns that ignore case take for one."""
    return text.casefold().replace("ı", "i").replace("i\u0307", "i")

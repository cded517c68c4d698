"""The learned verifier: plain numbers that turn the parts of a pair into one similarity.

A logistic regression over the parts of ``similarity.PART_NAMES`` and their square roots gives the
log odds that two articles report one event. It is trained by ``clustering.training.verifier`` and
ships as ``verifier.json``: coefficients under the names of the parts, readable and diffable, and
the merge rule that was learned on top of it. Nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, Final, Self

import numpy as np

from clustering.errors import ConfigurationError
from clustering.refine.linkage import Float64Array, MergeRule
from clustering.refine.parts import PART_NAMES

FORMAT: Final = 1
LOGIT_OFFSET: Final = 4.0
LOGIT_SPAN: Final = 8.0
"""Similarity is (logit + 4) / 8 clipped to [0, 1]: linear in the evidence, 0 and 1 at probabilities
.018 and .982. Averaging log odds instead of probabilities lets one decisive pair count."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """Coefficients of the verifier and the merge rule learned with it.

    Attributes
    ----------
    intercept
        Log odds of a pair whose parts are all zero.
    linear, roots
        float64, shape (parts,): coefficients of the parts and of their square roots, in the
        order of ``PART_NAMES``.
    rule
        When two groups may join.
    """

    intercept: float
    linear: Float64Array
    roots: Float64Array
    rule: MergeRule

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read the coefficients.

        Raises
        ------
        ConfigurationError
            If the document is of another format, or names other parts than this version measures.
        """
        try:
            if document["format"] != FORMAT:
                raise ConfigurationError(
                    f"verifier of format {document['format']}, this version reads {FORMAT}: "
                    "train it again with `python -m clustering.training.verifier`"
                )
            linear, roots = document["linear"], document["roots"]
            if set(linear) != set(PART_NAMES) or set(roots) != set(PART_NAMES):
                raise ConfigurationError(
                    "the verifier's coefficients do not name the parts this version measures: "
                    "train it again with `python -m clustering.training.verifier`"
                )
            verifier = cls(
                intercept=float(document["intercept"]),
                linear=np.array([linear[name] for name in PART_NAMES], dtype=np.float64),
                roots=np.array([roots[name] for name in PART_NAMES], dtype=np.float64),
                rule=MergeRule(**{key: float(value) for key, value in document["rule"].items()}),
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, ConfigurationError):
                raise
            raise ConfigurationError(f"the verifier's file is not complete: {error}") from error
        if not (
            math.isfinite(verifier.intercept)
            and np.isfinite(verifier.linear).all()
            and np.isfinite(verifier.roots).all()
        ):
            raise ConfigurationError("the verifier's coefficients must be finite numbers")
        return verifier

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {
            "format": FORMAT,
            "intercept": self.intercept,
            "linear": dict(zip(PART_NAMES, self.linear.tolist(), strict=True)),
            "roots": dict(zip(PART_NAMES, self.roots.tolist(), strict=True)),
            "rule": asdict(self.rule),
        }

    @classmethod
    def shipped(cls) -> Verifier:
        """Return the verifier that ships with the package; read once a process."""
        return _shipped()

    def shifted(self, similarity_shift: float) -> Self:
        """Return the verifier that finds every pair so much less alike, in [-1, 1].

        That is what a stricter decision threshold means here: no threshold stands by itself, the
        rule weighs similarities between groups against those inside and around them.
        """
        return replace(self, intercept=self.intercept - LOGIT_SPAN * similarity_shift)

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that differ when any coefficient does."""
        canonical = json.dumps(self.to_json(), sort_keys=True).encode()
        return hashlib.blake2b(canonical, digest_size=8).hexdigest()


@cache
def _shipped() -> Verifier:
    text = resources.files("clustering.refine").joinpath("verifier.json").read_text("utf-8")
    return Verifier.from_json(json.loads(text))

"""Finds where what is stored of constraints contradicts itself, or does not hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.store import keys
from service.store.constraints import StoredConstraint, unpack_constraint


def check_constraints(stored: Mapping[str, Any], cluster_of: Mapping[bytes, str]) -> list[str]:
    """Return one sentence for each contradiction in what is stored of constraints.

    Parameters
    ----------
    stored
        Key name → its whole value, of the four keys of constraints.
    cluster_of
        Digest of an article's id → the cluster that it is in.
    """
    terms = stored.get(keys.CONSTRAINT_TERMS, {})
    payloads = stored.get(keys.CONSTRAINTS, {})
    ordered = set(stored.get(keys.CONSTRAINT_ORDER, ())) & set(terms)
    problems = [
        f"constraint {name.decode('ascii')} is not whole"
        for name in terms.keys() | payloads.keys()
        if name not in ordered or name not in payloads
    ]
    named: dict[bytes, set[bytes]] = {}
    for name, packed in terms.items():
        constraint = unpack_constraint(0, name, packed, payloads.get(name, b""))
        digests = [keys.digest_article_id(article_id) for article_id in constraint.article_ids]
        for key in (*digests, *([constraint.cluster_id.encode()] if constraint.cluster_id else ())):
            named.setdefault(key, set()).add(name)
        problems += [
            f"constraint {constraint.constraint_id} names an article that is not there"
            for digest in digests
            if digest not in cluster_of
        ]
        homes = [cluster_of.get(digest, "") for digest in digests]
        if constraint.in_force and not _holds(constraint, homes):
            problems.append(f"constraint {constraint.constraint_id} does not hold")
    index = {
        key: set(names.split(b",")) for key, names in stored.get(keys.CONSTRAINTS_OF, {}).items()
    }
    if index != named:
        problems.append("the index of constraints does not say what the constraints say")
    return problems


def _holds(constraint: StoredConstraint, homes: Sequence[str]) -> bool:
    match constraint.kind:
        case "must-link":
            return len(set(homes)) == 1
        case "cannot-link":
            return homes[0] != homes[1]
        case "not-in-cluster":
            return homes[0] not in {constraint.cluster_id, *homes[1:]}
        case "headline":
            return True

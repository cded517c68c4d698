"""How many clusters of Reuters-21578 hold earnings or dividend items of more than one company.

Such items are written to one template, so they are the trap for false merges: the set has 18,257
articles of 1987 without labels, but the title of an item names its company, mostly by ticker:
"ABC INC <ABC> 4TH QTR NET", "ABC <ABC> SETS QUARTERLY PAYOUT". One cluster with two companies is an
error, unless the two are one under two names, which the printed sample lets a reader see. The other
way round, a correction or repetition of an item ("CORRECTED - ABC <ABC> 4TH QTR NET") belongs with
it.

``python -m tests.evaluation.lookalikes --data DIR`` clusters the set as the nightly job does and
prints the counts; ``--online`` as the service does, ``--sample N`` names N of the clusters found.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clustering.articles import Article
from service.offline import cluster_articles
from tests.evaluation.quality import article_of, read_set

SET = "reuters21578_unlabelled"
CORRECTION_HOURS = 72.0
"""A correction comes within three days of the item it corrects."""

_EARNINGS = re.compile(
    r"\b(?:QTR|QUARTER|YEAR|YR|HALF|MTHS?|MONTHS|[A-Z]{3,9} \d+|[A-Z]{3,5} [A-Z]+)\s+"
    r"(?:SHR|OPER\s+)?(?:NET|LOSS|SHR|OPER NET|OPER LOSS)$"
)
_DIVIDEND = re.compile(
    r"\b(?:PAYOUTS?|DIVIDENDS?|DIVS?|(?:QTLY|QUARTERLY|MONTHLY) DISTRIBUTIONS?)$"
)
_ANNOUNCEMENT = re.compile(
    r"\b(?:SEES|AGREES|SAYS|SELLS|SHAREHOLDERS|RIGHTS?|NAMES|STOCK|SHARE|SHR|PCT|NO|MAY|WEIGHS)\b"
)
_TICKER = re.compile(r"[<(]([A-Z]{1,5})(?:\.[A-Z]{1,2})?[>)]")
_CORRECTION = re.compile(r"^(?:CORRECTED|CORRECTION)\s*-\s*|\s*[/(](?:RPT|CORRECTED)\)?$")
_MARKS = re.compile(r"[<>().,'/-]")


@dataclass(frozen=True, slots=True)
class Item:
    """An earnings or dividend item: its position in the set, and who it is about.

    ``company`` is the ticker where the title has one, else the beginning of the name.
    """

    position: int
    title: str
    company: str
    name: str
    is_correction: bool


@dataclass(frozen=True, slots=True)
class LookAlikeCounts:
    """What became of the items.

    Attributes
    ----------
    items, clusters
        Items, and clusters with two or more of them.
    mixed
        The items of each cluster with items of more than one company.
    corrections, corrections_joined
        Corrections with an item of the same kind and company up to three days before them, and
        those in a cluster with one.
    """

    items: int
    clusters: int
    mixed: tuple[tuple[Item, ...], ...]
    corrections: int
    corrections_joined: int


def item_of(position: int, title: str) -> Item | None:
    """Return the item that a title announces; ``None`` where it is none."""
    is_correction = _CORRECTION.search(title) is not None
    bare = " ".join(_CORRECTION.sub("", title).split()).upper()
    if not (_EARNINGS.search(bare) or _DIVIDEND.search(bare)) or _ANNOUNCEMENT.search(bare):
        return None
    ticker = _TICKER.search(bare)
    # Two words of the name tell companies apart; "ABC CORP" and "ABC INC" may be one.
    words = _MARKS.sub(" ", bare.split("<")[0] or bare).split()
    name = " ".join(words[:2])
    return Item(position, title, ticker.group(1) if ticker else name, name, is_correction)


def count(articles: Sequence[Article], labels: Sequence[str]) -> LookAlikeCounts:
    """Count clusters that mix companies, and corrections that found their item.

    Items are of one company when they agree in the ticker or in the first two words of the name.
    """
    found = [item_of(k, article.title) for k, article in enumerate(articles)]
    items = [item for item in found if item is not None]
    by_cluster: dict[str, list[Item]] = {}
    for item in items:
        by_cluster.setdefault(labels[item.position], []).append(item)
    several = [members for members in by_cluster.values() if len(members) > 1]
    mixed = [tuple(members) for members in several if _companies(members) > 1]
    corrections = joined = 0
    for item in items:
        corrected = [other for other in items if _corrects(item, other, articles)]
        if corrected:
            corrections += 1
            joined += any(labels[item.position] == labels[one.position] for one in corrected)
    return LookAlikeCounts(len(items), len(several), tuple(mixed), corrections, joined)


def _companies(items: Sequence[Item]) -> int:
    """Count companies: names that share a ticker and tickers that share a name are one."""
    groups: list[set[str]] = []
    for item in items:
        keys = {f"ticker {item.company}", f"name {item.name}"}
        for group in [group for group in groups if group & keys]:
            groups.remove(group)
            keys |= group
        groups.append(keys)
    return len(groups)


def _corrects(item: Item, other: Item, articles: Sequence[Article]) -> bool:
    first, second = articles[item.position].published_at, articles[other.position].published_at
    if not item.is_correction or other.is_correction or item.company != other.company:
        return False
    if first is None or second is None:
        return False
    same_kind = bool(_DIVIDEND.search(item.title)) == bool(_DIVIDEND.search(other.title))
    return same_kind and abs((first - second).total_seconds()) <= 3600 * CORRECTION_HOURS


def main(arguments: Sequence[str] | None = None) -> int:
    """Cluster the set, print the counts and a sample of the clusters that mix companies."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.evaluation.lookalikes", description=__doc__
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the labelled news")
    parser.add_argument("--online", action="store_true", help="one by one, as the service does")
    parser.add_argument("--sample", type=int, default=20, help="mixed clusters to print")
    options = parser.parse_args(arguments)
    articles = [article_of(row) for row in read_set(options.data, SET)]
    results = cluster_articles(articles, online=options.online).results
    counts = count(articles, [result.cluster_id for result in results])
    sys.stdout.write(
        f"{counts.items} earnings and dividend items among {len(articles)} articles\n"
        f"{counts.clusters} clusters hold two or more of them\n"
        f"{len(counts.mixed)} of these name more than one company\n"
        f"{counts.corrections_joined} of {counts.corrections} corrections are with their item\n"
    )
    chosen = random.Random(21578).sample(counts.mixed, min(options.sample, len(counts.mixed)))
    for members in chosen:
        sys.stdout.write("\n" + "".join(f"  {item.title}\n" for item in members[:6]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""How much of the quality is left when articles come as they do in practice: with their pages.

Each labelled set is clustered as it is, and again with something done to every article: navigation
around it, its end cut off, its title gone, strangers beside it. What is measured is BCubed F1 of
the labelled articles; what counts is how far it moves.

Run ``python -m tests.evaluation.robustness --data DIR`` for the table, ``--online`` for the
articles decided one by one. Navigation needs publishers: an article without a source gets one of
20 invented ones, in every condition alike.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import xxhash

from clustering.articles import Article, ArticleFeatures
from clustering.batch import recluster
from clustering.metrics import PrecisionRecall
from clustering.propose import SignatureScheme
from clustering.refine import Refinement
from service.evaluation.sweep import refinement_of
from service.offline import cluster_articles
from tests.evaluation.quality import SETS, article_of, read_set

INVENTED_PUBLISHERS = 20
LINES = 60
DISTRACTORS = 1200
FIRST_WORDS = 100
THRESHOLD_SHIFTS = (-0.1, 0.1)

_MENU = """Home|World|U.S.|Politics|Business|Markets|Tech|Science|Health|Sport|Football|Cricket|
Tennis|Rugby|Golf|Motorsport|Entertainment|Film|Music|TV & Radio|Books|Art & design|Style|Food|
Recipes|Travel|Money|Property|Cars|Education|Environment|Weather|Obituaries|Opinion|Letters|
Cartoons|Crosswords|Sudoku|Puzzles|Horoscopes|Video|Podcasts|Photos|Newsletters|Today's paper|
Archive|E-paper|Classifieds|Jobs|Dating|Masterclasses|Reader events|Gift guide|Shop|Offers|
Sign in|Register|Subscribe|My account|Help centre|Contact the newsroom|Advertise with us|
About us|Work for us|Terms of service|Privacy policy|Cookie settings|Accessibility|Site map|
Corrections|Facebook|Twitter|Instagram|YouTube|RSS|Search|Skip to main content|Local news|
Traffic and travel|School closings|Lottery|Community calendar|Real estate|Wine club|
Most read|Editor's picks|More from this section|Around the web|Recommended for you|
Download our app|Print this page|Share on Facebook|Email the author|Leave a comment|
Newsroom standards|Press releases|Student discount|Home delivery|Back issues|Send us a tip"""


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Articles of one set, each with a publisher, and their labels, in one order."""

    name: str
    articles: tuple[Article, ...]
    labels: tuple[str, ...]

    @property
    def groups(self) -> list[list[int]]:
        """Positions that are measured together: a set in several languages, each for itself."""
        by_language: dict[str, list[int]] = {}
        for position, article in enumerate(self.articles):
            language = article.lang if self.name.startswith("multiling") else ""
            by_language.setdefault(language, []).append(position)
        return list(by_language.values())


@dataclass(frozen=True, slots=True)
class Strangers:
    """Unlabelled articles: some stand beside the labelled ones, others lend their headlines."""

    distractors: tuple[Article, ...]
    headlines: tuple[str, ...]


Condition = Callable[[LabelledSet, Strangers], list[Article]]


def read_labelled(data_dir: Path, name: str) -> LabelledSet:
    """Read a set; articles without a source get one of the invented publishers."""
    rows = read_set(data_dir, name)
    articles = [article_of(row) for row in rows]
    return LabelledSet(
        name,
        tuple(
            article
            if article.source or article.url
            else replace(article, source=f"Invented Gazette {_hash(article) % INVENTED_PUBLISHERS}")
            for article in articles
        ),
        tuple(str(row["story"]) for row in rows),
    )


def read_strangers(data_dir: Path) -> Strangers:
    """Read distractors from both unlabelled collections, and the headlines of one."""
    rng = random.Random(11)
    bbc = [article_of(row) for row in read_set(data_dir, "bbc_fulltext_unlabelled")]
    reuters = [article_of(row) for row in read_set(data_dir, "reuters21578_unlabelled")]
    chosen = rng.sample(bbc, DISTRACTORS // 2) + rng.sample(reuters, DISTRACTORS // 2)
    return Strangers(tuple(chosen), tuple(dict.fromkeys(article.title for article in bbc)))


def clean(labelled: LabelledSet, strangers: Strangers) -> list[Article]:
    """The articles as they are."""
    return list(labelled.articles)


def static_navigation(labelled: LabelledSet, strangers: Strangers) -> list[Article]:
    """The same 60 lines around every article of a publisher: half menu, half links to articles."""
    menu = " ".join(_MENU.split()).replace("| ", "|").split("|")
    pages: dict[str, list[str]] = {}
    for article in labelled.articles:
        if article.source not in pages:
            rng = random.Random(article.source)
            lines = rng.sample(menu, LINES // 2) + rng.sample(strangers.headlines, LINES // 2)
            # Menus stand above, links to other articles above and below.
            pages[article.source] = lines[:20] + lines[30:40] + lines[40:] + lines[20:30]
    return [_framed(article, pages[article.source]) for article in labelled.articles]


def rotating_links(labelled: LabelledSet, strangers: Strangers) -> list[Article]:
    """60 headlines of other articles of the set around every article, never the same ones."""
    headlines = {
        language: list(
            dict.fromkeys(map(_headline, (a for a in labelled.articles if a.lang == language)))
        )
        for language in {article.lang for article in labelled.articles}
    }
    framed = []
    for article in labelled.articles:
        rng = random.Random(_hash(article))
        pool, own = headlines[article.lang], _headline(article)
        links = rng.sample(pool, min(LINES + 1, len(pool)))
        framed.append(_framed(article, [link for link in links if link != own][:LINES]))
    return framed


def first_words(labelled: LabelledSet, strangers: Strangers) -> list[Article]:
    """Only the first 100 words of each text."""
    return [replace(article, text=_cut(article.text, FIRST_WORDS)) for article in labelled.articles]


def no_titles(labelled: LabelledSet, strangers: Strangers) -> list[Article]:
    """The articles without their titles."""
    return [replace(article, title="") for article in labelled.articles]


def among_distractors(labelled: LabelledSet, strangers: Strangers) -> list[Article]:
    """1,200 unrelated articles behind the labelled ones."""
    return [*labelled.articles, *strangers.distractors]


CONDITIONS: dict[str, Condition] = {
    "clean": clean,
    "static navigation": static_navigation,
    "rotating links": rotating_links,
    "first 100 words": first_words,
    "no titles": no_titles,
    "1,200 distractors": among_distractors,
}


def measure(
    labelled: LabelledSet, strangers: Strangers, condition: str, *, online: bool = False
) -> float:
    """BCubed F1 of the labelled articles under a condition; the mean over languages."""
    return _clustered(labelled, strangers, condition, online=online)[0]


def measure_thresholds(labelled: LabelledSet, features: Sequence[ArticleFeatures]) -> list[float]:
    """BCubed F1 of a batch with the threshold of every pair shifted by ``THRESHOLD_SHIFTS``."""
    base = refinement_of(features)
    figures = []
    for shift in THRESHOLD_SHIFTS:
        refinement = Refinement(base.frequencies, base.verifier.shifted(shift))
        labels = recluster(features, refinement, SignatureScheme()).labels.tolist()
        figures.append(_mean_f1(labelled, labels))
    return figures


def bcubed_among(true: Sequence[str], predicted: Sequence[Hashable]) -> PrecisionRecall:
    """BCubed of the first ``len(true)`` items; those behind them are of no event at all.

    So a stranger in a cluster costs precision there, and strangers among themselves nothing.
    """
    cells = Counter(zip(true, predicted, strict=False))
    true_sizes, predicted_sizes = Counter(true), Counter(predicted)
    count = len(true)
    precision = sum(n * n / predicted_sizes[cluster] for (_, cluster), n in cells.items()) / count
    recall = sum(n * n / true_sizes[event] for (event, _), n in cells.items()) / count
    return PrecisionRecall(precision, recall)


def _clustered(
    labelled: LabelledSet, strangers: Strangers, condition: str, *, online: bool
) -> tuple[float, list[ArticleFeatures]]:
    outcome = cluster_articles(CONDITIONS[condition](labelled, strangers), online=online)
    clusters = [result.cluster_id for result in outcome.results]
    features = [outcome.features[result.article_id] for result in outcome.results]
    return _mean_f1(labelled, clusters), features


def _mean_f1(labelled: LabelledSet, clusters: Sequence[Hashable]) -> float:
    groups = labelled.groups
    behind = list(clusters[len(labelled.articles) :])
    figures = [
        bcubed_among([labelled.labels[k] for k in group], [*(clusters[k] for k in group), *behind])
        for group in groups
    ]
    return sum(figure.f1 for figure in figures) / len(groups)


def _framed(article: Article, lines: Sequence[str]) -> Article:
    half = len(lines) // 2
    return replace(article, text="\n".join([*lines[:half], article.text, *lines[half:]]))


def _headline(article: Article) -> str:
    """Return the title, or the beginning of the text where there is none."""
    return article.title or _cut(" ".join(article.text.split()), 10)


def _cut(text: str, words: int) -> str:
    """Return the first words of a text with its line ends; in spaceless scripts, characters."""
    if " " not in text.strip()[: 12 * words]:
        return text[: 2 * words]
    end = left = 0
    while left < words and end < len(text):
        while end < len(text) and text[end].isspace():
            end += 1
        while end < len(text) and not text[end].isspace():
            end += 1
        left += 1
    return text[:end]


def _hash(article: Article) -> int:
    return xxhash.xxh32_intdigest(article.article_id.encode())


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all sets under all conditions and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.evaluation.robustness", description=__doc__
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the labelled news")
    parser.add_argument("--online", action="store_true", help="one by one, as the service does")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--conditions", nargs="+", choices=[*CONDITIONS, "threshold"], default=None)
    options = parser.parse_args(arguments)
    wanted = options.conditions or [*CONDITIONS, "threshold"]
    strangers = read_strangers(options.data)
    sets = [read_labelled(options.data, name) for name in options.sets]
    write = sys.stdout.write
    write(f"{'':18s}" + "".join(f"{name[:14]:>16s}" for name in options.sets) + f"{'mean':>9s}\n")
    base: list[float] = []

    def row(title: str, figures: Sequence[float]) -> None:
        moved = [figure - start for figure, start in zip(figures, base, strict=False)]
        cells = [
            f"{figure:9.4f} {move:+.3f}" if title != "clean" else f"{figure:9.4f}       "
            for figure, move in zip(figures, moved or [0.0] * len(figures), strict=True)
        ]
        mean = sum(figures) / len(figures)
        write(f"{title:18s}" + "".join(f"{cell:>16s}" for cell in cells) + f"{mean:9.4f}\n")
        sys.stdout.flush()

    kept: list[list[ArticleFeatures]] = []
    for name in ["clean", *(name for name in CONDITIONS if name in wanted and name != "clean")]:
        measured = [_clustered(item, strangers, name, online=options.online) for item in sets]
        if name == "clean":
            base = [figure for figure, _ in measured]
            kept = [features for _, features in measured]
        row(name, [figure for figure, _ in measured])
    if "threshold" in wanted and not options.online:
        figures = [measure_thresholds(*item) for item in zip(sets, kept, strict=True)]
        for place, shift in enumerate(THRESHOLD_SHIFTS):
            row(f"threshold {shift:+.1f}", [each[place] for each in figures])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

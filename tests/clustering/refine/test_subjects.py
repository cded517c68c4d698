"""Items on results and payouts: two subjects never share a label, one subject may."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from clustering.articles import Article, ArticleFeatures
from clustering.batch import recluster
from clustering.neighbourhood import Neighbour
from clustering.online import Decider, OnlineClusterer
from clustering.prepare import FrequencyTable
from clustering.prepare.stems import stem, term_id
from clustering.preparer import Preparer
from clustering.propose import SignatureScheme
from clustering.reasons import ReasonKind, Reasons
from clustering.refine import Comparison, LookAlikeKind, Refinement, other_subjects, subjects
from clustering.refine.tfidf import WeightedCorpus
from clustering.refine.verifier import Verifier


@cache
def preparer() -> Preparer:
    return Preparer.shipped()


def prepared(title: str, text: str) -> ArticleFeatures:
    return preparer().prepare(Article(text=text, title=title, lang="en")).features


def refinement() -> Refinement:
    return Refinement.shipped(FrequencyTable.shipped())


def compare(*features: ArticleFeatures) -> Comparison:
    return refinement().compare(features)


def results(title: str, profit: str, revenue: str) -> ArticleFeatures:
    """Items whose template is one and whose figures differ, but for some."""
    return prepared(
        title,
        f"Shr 31 cts vs 27 cts. Net {profit},114 vs {profit},903. Revs {revenue}.6 mln vs "
        f"{revenue}.2 mln. Six mths shr 60 cts vs 52 cts. Net 2,{profit},407 vs 2,{profit},311. "
        f"Revs 4{revenue}.5 mln vs 4{revenue}.4 mln. Avg shrs 4,100,000 vs 4,050,000.",
    )


MARLOWE = results("MARLOWE INC <MRLW> 2ND QTR NET", "1,398", "21")
TARRANT = results("TARRANT CO <TRNT> 2ND QTR NET", "1,277", "19")
TAKEOVER = prepared(
    "MARLOWE <MRLW> TO MERGE WITH TARRANT <TRNT>",
    "Marlowe Inc and Tarrant Co said they agreed to merge. Both makers of boat engines reported "
    "second quarter net profits last week. Marlowe is to pay 31 dlrs a share for Tarrant.",
)


def test_two_companies_are_apart_and_no_other_article_is() -> None:
    assert other_subjects(compare(MARLOWE, TAKEOVER, TARRANT), np.zeros(3, np.int64)) == [(0, 2)]
    assert other_subjects(compare(MARLOWE, TARRANT), np.array([0, 1])) == []
    assert other_subjects(compare(TAKEOVER, TAKEOVER), np.zeros(2, np.int64)) == []
    assert other_subjects(compare(), np.zeros(0, np.int64)) == []


@pytest.mark.parametrize(
    "other",
    [
        results("CORRECTED - MARLOWE INC <MRLW> 2ND QTR NET", "1,389", "26"),
        results("MARLOWE INC 3RD QTR LOSS", "874", "17"),
        prepared("MARLOWE <MRLW> RAISES PAYOUT", "Qtly div six cts vs five cts prior."),
        # The wire had the name wrong: the figures say which company it is.
        results("MARLER INDUSTRIES <MRLR> 2ND QTR NET", "1,398", "21"),
        # No item: prose, however it is headed.
        prepared(
            "Boat makers post record profit",
            "The maker of engines said record sales lifted its net profit in the quarter.",
        ),
    ],
    ids=["corrected", "another quarter", "payout", "same figures", "prose"],
)
def test_one_company_stays_one(other: ArticleFeatures) -> None:
    assert other_subjects(compare(MARLOWE, other), np.zeros(2, np.int64)) == []


def test_accounts_of_one_company_in_other_words_stay_one() -> None:
    wire = prepared(
        "Orrivale Inc. Q3 Profit Climbs, Tops Estimates",
        "Orrivale Inc. revealed a profit for the third quarter that increased from last year. "
        "Earnings: $23.4 million vs. $21.9 million in the same period last year. EPS: $1.57 vs. "
        "$1.43. Net revenue: $94.6 million vs. $85.8 million.",
    )
    paper = prepared(
        "Orrivale quarterly earnings beat Wall Street on tractor demand",
        "Orrivale reported net income of $23.4 million, or $1.57 a share, vs $21.9 million a year "
        "ago, as farmers bought tractors again. Revenue rose to $94.6 million vs $85.8 million.",
    )
    rival = prepared(
        "Castlemoor Q3 earnings beat Wall Street on tractor demand",
        "Castlemoor reported net income of $27.2 million, or $3.65 a share, vs $22.7 million a "
        "year ago, as farmers bought tractors. Revenue rose to $76.4 million vs $64.1 million.",
    )
    pairs = other_subjects(compare(wire, paper, rival), np.zeros(3, np.int64))
    assert pairs == [(0, 2), (1, 2)]


def test_a_title_without_a_subject_names_nobody() -> None:
    nameless = results("2ND QTR NET", "1,277", "19")
    assert other_subjects(compare(MARLOWE, nameless), np.zeros(2, np.int64)) == []


def test_labels_and_order_do_not_matter_to_a_pair() -> None:
    """Against comparing each two alone."""
    names = ["MARLOWE INC <MRLW>", "TARRANT CO <TRNT>", "QUILLER LTD", "TARRANT <TRNT>"]
    items = [
        results(f"{name} {kind}", f"{n}{k},398", f"2{n}{k}")
        for n, name in enumerate(names, start=1)
        for k, kind in enumerate(["2ND QTR NET", "YEAR LOSS"], start=1)
    ]
    labels = np.array([0, 0, 1, 0, 1, 1, 0, 1])
    expected = [
        (i, j)
        for j in range(8)
        for i in range(j)
        if labels[i] == labels[j]
        and other_subjects(compare(items[i], items[j]), np.zeros(2, np.int64))
    ]
    assert other_subjects(compare(*items), labels) == sorted(expected)
    assert 0 < len(expected) < 12


def partition(labels: Sequence[object]) -> list[int]:
    return [labels.index(label) for label in labels]


def test_a_third_article_does_not_bridge() -> None:
    correction = results("CORRECTED - TARRANT CO <TRNT> 2ND QTR NET", "1,287", "19")
    articles = [MARLOWE, TAKEOVER, TARRANT, correction]
    similar = compare(*articles).similarities([0, 1, 2], [1, 2, 3])
    assert (similar > 0.3).all(), "each would join the next"
    linked = partition(refinement().link(compare(*articles)).tolist())
    at_once = recluster(articles, refinement(), SignatureScheme())
    online = OnlineClusterer(FrequencyTable.shipped(), SignatureScheme())
    for article in articles:
        online.add(article)
    for labels in (linked, partition(at_once.labels.tolist()), partition(online.cluster_ids())):
        assert labels[0] != labels[2] == labels[3]
    together = recluster(articles, refinement(), SignatureScheme(), must_link=[[0, 2]])
    assert together.labels[0] == together.labels[2], "what an editor says holds"
    parted = recluster(articles, refinement(), SignatureScheme(), cannot_link=[(2, 3)])
    assert len({*parted.labels[[0, 2, 3]].tolist()}) == 3


def test_blocks_with_two_subjects_stay_together() -> None:
    labels = refinement().link(compare(MARLOWE, TARRANT, TAKEOVER), blocks=[[0, 1], [2]])
    assert labels.tolist()[0] == 0
    apart = refinement().link(compare(MARLOWE, TAKEOVER, TARRANT), blocks=[[0, 1], [2]])
    assert apart.tolist() == [0, 1]


PROSE = (
    " The company said the gain reflects strong demand for boats on the eastern lakes, where an "
    "early spring brought anglers and weekend sailors to the yards. Directors expect the trend to "
    "hold until autumn, provided that fuel stays cheap and no further storms damage the marinas."
)


def told(title: str, profit: str) -> ArticleFeatures:
    """An item with more words than figures, which `lookalikes` lets pass."""
    return prepared(title, f"Shr 31 cts vs 27 cts. Net {profit},114 vs {profit},903.{PROSE}")


LONG_MARLOWE = told("MARLOWE INC <MRLW> 2ND QTR NET", "1,398")
LONG_TARRANT = told("TARRANT CO <TRNT> 2ND QTR NET", "1,277")


def test_the_answer_to_a_post_says_so() -> None:
    assert compare(LONG_MARLOWE, LONG_TARRANT).look_alike(0, 1) is None
    weighed = Decider(refinement()).weigh(LONG_TARRANT, [Neighbour(1, "A", "d1", LONG_MARLOWE)])
    assert weighed.touched == {}
    assert weighed.refused is not None
    assert weighed.refused.look_alike.kind is LookAlikeKind.OTHER_SUBJECT
    named = weighed.refused.look_alike.first_term_ids
    assert term_id(stem("tarrant", "en")) in named
    assert term_id(stem("marlowe", "en")) not in named


def test_a_night_that_parts_them_says_so() -> None:
    renamed = told("MARLOWE INC <MRLW> 2ND QTR NET", "1,277")
    found = Reasons(
        refinement(),
        refinement(),
        features_before=[LONG_MARLOWE, renamed],
        features_after=[LONG_MARLOWE, LONG_TARRANT],
        labels_before=["X", "X"],
        labels_after=["X", "N"],
    ).parted("X")
    assert found["N"].kind is ReasonKind.LOOK_ALIKE
    assert found["N"].look_alike == "other_subject"


def _is_item(corpus: WeightedCorpus, position: int) -> bool:
    """What makes an item, said in sets."""
    own = slice(int(corpus.term_offsets[position]), int(corpus.term_offsets[position + 1]))
    ids, counts = corpus.term_ids[own], corpus.counts[own]
    in_title = set(ids[corpus.weights[own, 2] > 0].tolist())
    in_body = set(ids[counts > 0].tolist())
    announced, marks, words = (
        set(subjects._ids(text).tolist())
        for text in (subjects._ANNOUNCED, subjects._MARKS, subjects._BODY_WORDS)
    )
    return bool(
        corpus.usable[position]
        and in_title & announced
        and int(counts.sum()) <= subjects._MOST_TERMS
        and in_body & marks
        and len(in_body & words) >= subjects._LEAST_BODY_WORDS
    )


def test_items_are_found_one_by_one_and_among_others() -> None:
    """Met for the first time or kept, in any company."""
    long = prepared("MARLOWE INC DIVIDEND", "Shr 31 cts vs 27 cts net. " + "boats sail far " * 90)
    no_mark = prepared("MARLOWE DIVIDEND", "A record net profit is what the makers of boats hope.")
    articles = [MARLOWE, TAKEOVER, long, TARRANT, no_mark, MARLOWE]
    corpus = compare(*articles).corpus
    expected = [k for k in range(len(articles)) if _is_item(corpus, k)]
    assert expected == [0, 3, 5]
    assert subjects.find_items(corpus).tolist() == expected
    assert Comparison(articles, FrequencyTable.shipped(), Verifier.shipped()).items.tolist() == [
        *expected
    ]
    kept = refinement()
    for k, item in enumerate(articles):
        assert kept.compare([item]).items.tolist() == [0] * (k in expected)
    assert kept.compare(articles).items.tolist() == expected

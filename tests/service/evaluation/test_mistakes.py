from __future__ import annotations

import pytest

from service.evaluation.mistakes import Mistakes, find_mistakes
from service.evaluation.outcome import Candidates
from service.evaluation.sweep import refinement_of
from service.evaluation.words import words_of
from tests.service.evaluation.made import clustered_as, samples


def events_by_size() -> list[str]:
    labels = samples().labels
    return sorted(set(labels), key=lambda label: (-labels.count(label), label))


@pytest.fixture(scope="module")
def candidates() -> Candidates:
    return Candidates.among(samples().features)


@pytest.fixture(scope="module")
def found(candidates: Candidates) -> Mistakes:
    """Two events merged, and a third cut into its first article and the rest."""
    merged, other, cut = events_by_size()[:3]
    clusters = [label if label != other else merged for label in samples().labels]
    clusters[samples().labels.index(cut)] = "torn off"
    return find_mistakes(clustered_as(clusters), candidates)


def test_both_kinds_are_found_with_their_counts(found: Mistakes) -> None:
    merged, other, cut = events_by_size()[:3]
    labels = samples().labels
    (merge,) = found.false_merges
    (miss,) = found.misses
    assert (found.false_merge_count, found.miss_count) == (1, 1)
    assert {merge.left.label, merge.right.label} == {merged, other}
    assert merge.left.cluster_id == merge.right.cluster_id == merged
    assert merge.wrong_pairs == labels.count(merged) * labels.count(other)
    assert miss.left.label == miss.right.label == cut
    assert {miss.left.cluster_id, miss.right.cluster_id} == {cut, "torn off"}
    assert miss.wrong_pairs == labels.count(cut) - 1
    assert {miss.left.group_articles, miss.right.group_articles} == {1, labels.count(cut) - 1}


def test_the_numbers_are_those_of_the_comparison(found: Mistakes) -> None:
    (miss,) = found.misses
    outcome = samples()
    refinement = refinement_of(outcome.features)
    matrix = refinement.compare(outcome.features).similarity_matrix()
    alone = outcome.labels.index(miss.left.label)
    rest = [k for k, label in enumerate(outcome.labels) if label == miss.left.label and k != alone]
    assert miss.mean_similarity == pytest.approx(float(matrix[alone, rest].mean()), abs=1e-6)
    assert miss.similarity.similarity == pytest.approx(float(matrix[alone, rest].max()), abs=1e-6)
    assert miss.required_similarity == refinement.rule.required_similarity(1, len(rest))
    assert 0 <= miss.proposed_pairs <= miss.wrong_pairs


def test_words_stand_where_they_are_said_to_stand(found: Mistakes) -> None:
    for mistake in (*found.false_merges, *found.misses):
        texts = []
        for side in (mistake.left, mistake.right):
            article = samples().articles[samples().article_ids.index(side.article_id)]
            texts.append(f"{article.title}\n{article.text}{article.html}".casefold())
        left, right = texts
        assert mistake.left.own_terms
        assert mistake.right.own_terms
        assert all(word.casefold() in left for word in mistake.left.own_terms)
        assert all(word.casefold() in right for word in mistake.right.own_terms)
        assert not set(mistake.left.own_terms) & set(mistake.right.own_terms)
        shares = [word.cosine_share for word in mistake.shared_words]
        assert shares == sorted(shares, reverse=True)
    assert found.misses[0].shared_words


def test_one_bad_cluster_does_not_fill_the_list(candidates: Candidates) -> None:
    everything = find_mistakes(clustered_as(["one"] * len(samples().labels)), candidates, limit=10)
    events = len(set(samples().labels))
    assert everything.false_merge_count == events * (events - 1) // 2
    assert len(everything.false_merges) == 2
    assert everything.misses == ()


def test_a_perfect_clustering_has_none(candidates: Candidates) -> None:
    assert find_mistakes(samples(), candidates) == Mistakes((), (), 0, 0)


@pytest.mark.parametrize(
    ("text", "lang", "expected"),
    [
        ("Officials were investigating the crashes", "en", {"Officials", "investigating"}),
        ("The US said on Monday", "en", {"US"}),
        ("L'économie française recule", "fr", {"française"}),
        ("日本銀行は金利を引き上げた", "ja", {"日本", "銀行"}),
        ("زلزال قوي يضرب الساحل", "ar", {"زلزال"}),
    ],
)
def test_terms_are_named_by_the_words_in_the_text(text: str, lang: str, expected: set[str]) -> None:
    assert expected <= set(words_of("", text, lang).values())


def test_words_carry_the_ids_of_the_analysis() -> None:
    from clustering.prepare import analyse

    title, body = "Quake hits Peru", "The earthquakes in Peru killed 12 people, officials say."
    ids = set(analyse(title, body, "en").vector.term_ids.tolist())
    found = words_of(title, body, "en")
    assert set(found) <= ids
    assert len(found) >= 0.9 * len(ids)

"""The part of the report that shows mistakes: two articles side by side, and why."""

from __future__ import annotations

from html import escape

from service.evaluation.mistakes import Mistake, Mistakes, Side

_SHOWN_PARTS = 12


def mistakes_html(mistakes: Mistakes) -> str:
    """Return both sections, false merges first."""
    return _section(
        "Worst false merges",
        "Two events in one cluster. Each is shown by the two articles that are most alike across "
        "them: that is what drew them together.",
        mistakes.false_merges,
        mistakes.false_merge_count,
        merged=True,
    ) + _section(
        "Worst misses",
        "One event in two clusters. Each is shown by the two articles that came nearest.",
        mistakes.misses,
        mistakes.miss_count,
        merged=False,
    )


def _section(
    title: str, about: str, mistakes: tuple[Mistake, ...], count: int, *, merged: bool
) -> str:
    if not mistakes:
        return f"<h2>{title}</h2><p>There is none.</p>"
    shown = (
        f"The {len(mistakes)} with most wrong pairs of {count:,}."
        if count > len(mistakes)
        else f"All {count}, those with most wrong pairs first."
    )
    cards = "".join(_mistake(mistake, merged=merged) for mistake in mistakes)
    return f'<h2>{title}</h2><p class="soft">{about} {shown}</p>{cards}'


def _mistake(mistake: Mistake, *, merged: bool) -> str:
    left, right = mistake.left, mistake.right
    if merged:
        heading = f"{escape(left.label)} and {escape(right.label)}"
        where = f"in cluster {escape(left.cluster_id)}"
    else:
        heading = escape(left.label)
        where = f"in clusters {escape(left.cluster_id)} and {escape(right.cluster_id)}"
    pairs = "1 wrong pair" if mistake.wrong_pairs == 1 else f"{mistake.wrong_pairs:,} wrong pairs"
    return (
        '<article class="card mistake">'
        f"<header><h3>{heading}</h3>"
        f"<p class='soft'>{pairs}: {left.group_articles} and {right.group_articles} articles "
        f"{where}. Mean similarity between them {mistake.mean_similarity:.2f}; a merge of groups "
        f"of these sizes needs {mistake.required_similarity:.2f}. "
        f"{mistake.proposed_pairs:,} of the pairs were candidates.</p></header>"
        f'<div class="pair">{_side(left)}{_side(right)}</div>'
        f"{_why(mistake)}</article>"
    )


def _side(side: Side) -> str:
    meta = " · ".join(
        escape(value)
        for value in (side.article_id, side.source, side.published, side.lang)
        if value
    )
    title = escape(side.title) or '<span class="soft">no title</span>'
    own = "".join(f"<li>{escape(word)}</li>" for word in side.own_terms)
    return (
        f'<div class="side"><h4 dir="auto">{title}</h4>'
        f'<p class="meta">{meta}</p><p class="text" dir="auto">{escape(side.opening)}</p>'
        f'<p class="meta">only here</p><ul class="terms" dir="auto">{own}</ul></div>'
    )


def _why(mistake: Mistake) -> str:
    similarity = mistake.similarity
    notes = [
        f"similarity <b>{similarity.similarity:.2f}</b>",
        f"probability {similarity.probability:.2f}",
    ]
    if similarity.days_apart is not None:
        notes.append(
            f"{similarity.days_apart:.1f} days apart (takes off {similarity.time_penalty:.2f})"
        )
    if similarity.languages_differ:
        notes.append("in two languages, which makes it 0")
    if similarity.near_duplicate:
        notes.append("one is a copy of the other")
    shared = "".join(
        f'<li title="idf {word.idf:.1f}, adds {word.cosine_share:.3f} to the cosine">'
        f"{escape(word.word)}</li>"
        for word in mistake.shared_words
    )
    order = sorted(similarity.contributions.items(), key=lambda item: -abs(item[1]))
    parts = "".join(
        f"<div><span>{escape(_spaced(name))}</span>"
        f"<span>{similarity.parts[name]:.2f}</span>"
        f'<span class="{_verdict(added)}">{_signed(added)}</span></div>'
        for name, added in order[:_SHOWN_PARTS]
    )
    heaviest = ", ".join(
        f'{escape(_spaced(name))} <span class="{_verdict(added)}">{_signed(added)}</span>'
        for name, added in order[:4]
    )
    return (
        f'<div class="why"><p>{" · ".join(notes)}</p>'
        f'<p class="soft">what weighs most in the log odds: {heaviest}</p>'
        f'<p class="soft">in both, heaviest first</p><ul class="terms shared" dir="auto">{shared}'
        "</ul><details><summary>Parts of the similarity: value, and what it adds to the log odds"
        f'</summary><div class="parts">{parts}</div></details></div>'
    )


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _verdict(added: float) -> str:
    """Return the class of the style sheet for a contribution."""
    return "plus" if added > 0 else "minus"

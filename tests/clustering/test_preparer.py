"""Preparation from end to end: what comes in as text, a dump or a page, and what comes out."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from clustering.articles import Article, TextKind
from clustering.errors import InvalidArticleError
from clustering.packing import pack_features
from clustering.prepare import LineCounts, analyse, content_digest, salient_terms
from clustering.preparer import Preparer, extract_article
from clustering.propose import bucket_ids, event_tokens, text_signature
from service.samples import sample_articles

ROOT = Path(__file__).resolve().parents[2]

CRACKS = (
    "The harbour town of Skarvik closed its only bridge on Tuesday after inspectors found "
    "cracks in two of the four steel cables that hold its western span."
)
REPAIRS = (
    "Engineer Halvard Brenne told the town council that lorries had been crossing the bridge "
    "at twice the weight it was built for in 1958, and that repairs would last until November."
)
FERRY = (
    "A free ferry will carry residents across the fjord every twenty minutes until then, "
    "mayor Sigrun Aasland said, and ambulances will be stationed on both shores."
)
PLANT = (
    "Fish processor Nordlaks, whose plant stands on the far side, sent ninety workers home "
    "and warned that it could lose a quarter of its yearly income."
)
PARAGRAPHS = (CRACKS, REPAIRS, FERRY, PLANT)
BODY = "\n\n".join(PARAGRAPHS)
TITLE = "Skarvik closes its bridge after cracks are found in cables"

DUMP = f"""Skip to content
Menu
Home
News
Sport
Culture
Weather
Subscribe
Log in
{TITLE}
By Ingrid Moe
Share on Facebook
Share on X
Copy link
{PARAGRAPHS[0]}
{PARAGRAPHS[1]}
Advertisement
{PARAGRAPHS[2]}
{PARAGRAPHS[3]}
Read more
Ten cheap recipes for the autumn
Football: late goal saves the point for Brann
Most read
1. Lottery winner still not found
2. Storm expected on Friday
Cookie settings
Privacy policy
© 2025 Fjordposten. All rights reserved.
"""

PAGE = f"""<!doctype html><html lang="en"><head><title>{TITLE} | Fjordposten</title>
<meta property="og:title" content="{TITLE} | Fjordposten">
<meta property="article:published_time" content="2025-03-04T07:10:00+01:00"></head>
<body><nav><a href="/">Home</a> <a href="/sport">Sport</a> <a href="/weather">Weather</a></nav>
<article><h1>{TITLE}</h1>{"".join(f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS)}</article>
<aside><h2>Most read</h2><ul><li><a href="/x">Lottery winner still not found</a></li></ul></aside>
<footer>© 2025 Fjordposten. All rights reserved.</footer></body></html>"""


@pytest.fixture(scope="module")
def preparer() -> Preparer:
    return Preparer.shipped()


def test_plain_text(preparer: Preparer) -> None:
    moment = datetime(2025, 3, 4, 7, 10, tzinfo=timezone(timedelta(hours=1)))
    prepared = preparer.prepare(
        Article(text=BODY, title=TITLE, published_at=moment, source="Fjordposten")
    )
    features = prepared.features
    assert prepared.title == TITLE
    assert prepared.body.split() == BODY.split()
    assert features.kind is TextKind.ORDINARY
    assert features.lang == "en"
    assert features.publisher
    assert features.published_at_seconds == int(moment.timestamp())
    analysis = analyse(prepared.title, prepared.body, "")
    assert features.vector.token_count == analysis.vector.token_count
    assert np.array_equal(features.vector.term_ids, analysis.vector.term_ids)
    assert features.text_signature.size
    assert features.event_tokens.size


@pytest.mark.parametrize("field", ["text", "html"])
def test_a_page_is_extracted_wherever_it_stands(preparer: Preparer, field: str) -> None:
    page = Article(text=PAGE) if field == "text" else Article(html=PAGE)
    prepared = preparer.prepare(page)
    assert prepared.title == TITLE  # without the site's name
    assert prepared.body.split() == BODY.split()
    assert prepared.features.published_at_seconds == 1741068600  # 06:10 UTC
    plain = preparer.prepare(Article(text=BODY, title=TITLE)).features
    assert np.array_equal(prepared.features.text_signature, plain.text_signature)
    assert np.array_equal(prepared.features.event_tokens, plain.event_tokens)


def test_what_the_client_says_goes_before_what_the_page_says(preparer: Preparer) -> None:
    moment = datetime(2025, 3, 9, tzinfo=UTC)
    prepared = preparer.prepare(
        Article(html=PAGE, title="Bridge shut", published_at=moment, lang="en-GB")
    )
    assert prepared.title == "Bridge shut"
    assert prepared.features.published_at_seconds == int(moment.timestamp())
    assert prepared.features.lang == "en"


def test_the_page_is_used_only_without_a_text(preparer: Preparer) -> None:
    """As the API says of `html`: used when `text` is not given."""
    both = preparer.prepare(Article(text=BODY, html=PAGE.replace("Skarvik", "Elsewhere")))
    assert "Elsewhere" not in both.body
    blank = preparer.prepare(Article(text=" \n", html=PAGE))
    assert blank.body.split() == BODY.split()


def test_a_page_dump_loses_what_stands_around_the_article(preparer: Preparer) -> None:
    prepared = preparer.prepare(Article(text=DUMP, source="Fjordposten"))
    for paragraph in PARAGRAPHS:
        assert paragraph in prepared.body
    for junk in ("Skip to content", "Subscribe", "Cookie settings", "Share on", "Lottery winner"):
        assert junk not in prepared.body
    assert prepared.title == TITLE
    plain = preparer.prepare(Article(text=BODY, title=TITLE)).features
    shared = np.intersect1d(
        bucket_ids(prepared.features, preparer.scheme), bucket_ids(plain, preparer.scheme)
    )
    assert shared.size > bucket_ids(plain, preparer.scheme).size / 2


@pytest.mark.parametrize(
    "title",
    [
        f"{TITLE} | Fjordposten",
        f"{TITLE} - Fjordposten",
        f"{TITLE} – Fjordposten",
        f"  {TITLE}\n",
    ],
)
def test_the_publisher_is_cut_off_the_title(preparer: Preparer, title: str) -> None:
    prepared = preparer.prepare(Article(text=BODY, title=title, source="Fjordposten"))
    assert prepared.title == TITLE


@pytest.mark.parametrize(
    ("article", "kind"),
    [
        (Article(text="\n\t  "), TextKind.EMPTY),
        (Article(html="<html><body><nav>Home</nav></body></html>"), TextKind.EMPTY),
        (Article(text="Fire in Oslo."), TextKind.TINY),
        (Article(text="!!! ??? ... —"), TextKind.EMPTY),
        (Article(text="Please enable JavaScript to continue using this site."), TextKind.EMPTY),
        (
            Article(text="Subscribe to continue reading this article.", title="Log in"),
            TextKind.STUB,
        ),
    ],
)
def test_what_cannot_be_clustered_gets_no_signature(
    preparer: Preparer, article: Article, kind: TextKind
) -> None:
    features = preparer.prepare(article).features
    assert features.kind is kind
    assert features.text_signature.size == 0
    assert features.event_tokens.size == 0
    assert bucket_ids(features, preparer.scheme).size == 0


@pytest.mark.parametrize("text", ["\0", "\ud800 lone", "\u202e" * 50, "a" * 300_000, "<" * 5000])
def test_no_text_is_too_odd(preparer: Preparer, text: str) -> None:
    prepared = preparer.prepare(Article(text=text, title=text[:100]))
    assert len(prepared.content_digest) == 16
    assert prepared.features.kind is not TextKind.ORDINARY


def test_a_date_without_a_zone_is_refused(preparer: Preparer) -> None:
    """It would be another moment on another machine."""
    naive = Article(text=BODY, published_at=datetime(2025, 3, 4))  # noqa: DTZ001
    with pytest.raises(InvalidArticleError, match="time zone") as caught:
        preparer.prepare(naive)
    assert caught.value.field == "published_at"


def test_nothing_is_remembered_from_article_to_article(preparer: Preparer) -> None:
    articles = [
        Article(text=item.get("text", ""), html=item.get("html", ""))
        for item in sample_articles()[:12]
    ]
    forwards = [pack_features(item.features) for item in preparer.prepare_all(articles)]
    backwards = [pack_features(item.features) for item in preparer.prepare_all(articles[::-1])]
    assert forwards == backwards[::-1]


def test_many_at_once_are_prepared_as_each_by_itself(preparer: Preparer) -> None:
    """In chunks of any size, whatever stands beside an article: to the bit."""
    texts = [
        "",
        "Fire in Oslo.",
        "Please enable JavaScript to continue using this site. Please enable JavaScript now.",
        "Statsministeren møtte kongen i går. De snakket om været, budsjettet og fiskekvotene.",
        "Министр встретился с послом во вторник в порту. Они подписали договор о квотах.",
        "首相は火曜日に東京で大使と会談し、漁業協定に署名した。協定は来年発効する。",
        "U.S. and E.U. officials met on 1,000 ships. \ufb01sh \ud800 quotas rose 3.5 per cent.",
    ]
    articles = [
        *(Article(text=text, title=text[:20], source="Paper") for text in texts),
        *(
            Article(text=item.get("text", ""), html=item.get("html", ""))
            for item in sample_articles()
        ),
    ]
    extracted = [extract_article(article) for article in articles]
    expected = [preparer.prepare_extracted(item) for item in extracted]
    assert len({item.article.features.lang for item in expected}) >= 4
    assert len({item.article.features.kind for item in expected}) == len(TextKind)
    for size in (2, 30, len(extracted)):
        found = []
        for begin in range(0, len(extracted), size):
            chunk = extracted[begin : begin + size]
            many = preparer.prepare_many(chunk)
            found += [many.preparation(k) for k in range(len(chunk))]
        for one, other in zip(found, expected, strict=True):
            assert one.article.content_digest == other.article.content_digest
            assert (one.article.title, one.article.body) == (
                other.article.title,
                other.article.body,
            )
            assert pack_features(one.article.features) == pack_features(other.article.features)
    assert len(preparer.prepare_many([]).features) == 0


def test_sketches_are_made_of_salient_terms_and_of_all_tokens(preparer: Preparer) -> None:
    """Together with texts that get none, each is what the functions for one article give."""
    texts = ["", "Fire in Oslo.", *(str(item.get("text", "")) for item in sample_articles())]
    many = preparer.prepare_many([extract_article(Article(text=text)) for text in texts])
    sketched = 0
    for title, body, features in zip(many.titles, many.bodies, many.features, strict=True):
        if features.kind is not TextKind.ORDINARY:
            assert not features.event_tokens.size
            assert not features.text_signature.size
            continue
        sketched += 1
        analysis = analyse(title, body, features.lang)
        idf = preparer.frequencies.idf(analysis.vector.term_ids, features.lang)
        salient = salient_terms(analysis.vector, idf, preparer.scheme.salient_terms)
        tokens = event_tokens(*salient, preparer.scheme)
        assert features.event_tokens.tolist() == tokens.tolist()
        signature = text_signature(analysis.stream, preparer.scheme)
        assert features.text_signature.tolist() == (signature & np.uint32(0xFFFFFF00)).tolist()
    assert sketched > 10


@pytest.mark.parametrize("field", ["text", "html"])
def test_lines_that_the_publisher_repeats_go(preparer: Preparer, field: str) -> None:
    box = "Readers of the Fjordposten met the mayor at the harbour festival last summer."
    text = f"{box}\n\n{BODY}"
    if field == "html":
        text = PAGE.replace("<p>", f"<p>{box}</p><p>", 1)

    def given(content: str) -> Article:
        at = {"text": content} if field == "text" else {"html": content}
        return Article(text=at.get("text", ""), html=at.get("html", ""), source="Fjordposten")

    article = given(text)
    extracted = extract_article(article)
    assert extracted.from_page is (field == "html")
    assert box in preparer.prepare(article).body
    others = [
        extract_article(Article(text=f"{box}\n\nPage {page}", source="Fjordposten"))
        for page in (2, 3)
    ]
    counts = LineCounts()
    counts.observe((other.publisher, other.line_hashes()) for other in others)
    cleaner = preparer.with_repeated(counts.repeated())
    assert cleaner.frequencies is preparer.frequencies
    preparation = cleaner.prepare_extracted(extracted)
    assert preparation.repeated_mark != 0
    assert preparation.article.body == cleaner.prepare(article).body
    assert box not in preparation.article.body
    plain = preparer.prepare(given(text.replace(box, "")))
    assert pack_features(preparation.article.features) == pack_features(plain.features)
    unknown = replace(article, source="")
    assert box in cleaner.prepare(unknown).body
    assert extract_article(unknown).line_hashes().size == 0


DIGEST_SCRIPT = """
import hashlib
from datetime import datetime
from clustering.articles import Article
from clustering.packing import pack_features
from clustering.preparer import Preparer
from service.samples import sample_articles
from tests.clustering.test_preparer import DUMP, PAGE

total = hashlib.sha256()
preparer = Preparer.shipped()
given = [Article(text=DUMP), Article(html=PAGE)]
for item in sample_articles()[::6]:
    moment = datetime.fromisoformat(item["published_at"])
    given.append(Article(item.get("text", ""), item.get("html", ""), published_at=moment))
for article in given:
    prepared = preparer.prepare(article)
    total.update(pack_features(prepared.features) + prepared.content_digest)
print(total.hexdigest())
"""


def test_every_process_prepares_alike() -> None:
    """Other hash seed, other time zone, other locale: the same bytes."""
    digests = set()
    for seed, zone, locale in (("1", "UTC", "C"), ("4242", "Asia/Kathmandu", "C.UTF-8")):
        done = subprocess.run(
            [sys.executable, "-c", DIGEST_SCRIPT],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": locale},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout.strip())
    assert len(digests) == 1
    assert len(digests.pop()) == hashlib.sha256().digest_size * 2


def test_the_content_digest_sees_through_case_space_and_unicode_form() -> None:
    title, body = "Café opens", "The café\n\nopened   today."
    expected = content_digest(title, body)
    assert content_digest(unicodedata.normalize("NFD", title), f" {body.upper()}\t") == expected
    assert content_digest(title, body.replace("today", "on Monday")) != expected
    assert content_digest(title + body, "") != content_digest("", title + body)
    assert content_digest("", "") == content_digest("\n", " ")

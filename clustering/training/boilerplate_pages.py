"""Pages to train and judge the line classifier on: labelled news, written furniture around it."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SETS = (
    "giveme5w_news_cluster",
    "galaxy_wikinews",
    "fnc1_train",
    "ecbplus",
    "bbc_fulltext_unlabelled",
    "reuters21578_unlabelled",
)
_LIMITS = {"bbc_fulltext_unlabelled": 500, "reuters21578_unlabelled": 1500}
TRAINING_MENU = """Home|World|Politics|Business|Tech|Sport|Opinion|Culture|Weather|Video|Sign In
Register|Subscribe|Newsletters|Search|Menu|Sections|US News|UK|Middle East|Asia Pacific
Real Estate|Money & Markets|Personal Finance|Fact Checks|Long Reads|Photo Essays|My Saved Articles
Today's Paper|Manage Subscription|Gift Cards|Breaking News Alerts|Community Guidelines|Job Board
Press Office|Ethics Policy|Corrections|Site Feedback|Student Offers|Events Calendar|TV Schedule
Crosswords & Games|Recipes|Wellness|Parenting|Pets|Gardening|Motoring|High School Sports
Startseite|Politik|Wirtschaft|Panorama|Mein Konto|Jetzt abonnieren|E-Paper|Stellenmarkt|Wetter
Accueil|Politique|Économie|Culture|Se connecter|S'abonner|Mon espace|Le journal du jour|Jeux
Inicio|Deportes|Economía|Iniciar sesión|Suscríbete|Edición impresa|Clasificados|Horóscopo
Новости|Политика|Экономика|Общество|Войти|Подписка|Спецпроекты|Прямой эфир|О редакции
Domů|Zprávy|Kultura|Sport|Přihlásit|Předplatné|Počasí|Programy|Inzerce|Archiv vydání
Αρχική|Πολιτική|Οικονομία|Κόσμος|Αθλητικά|Σύνδεση|Συνδρομές|Πρωτοσέλιδα|Καιρός|Ζώδια
الرئيسية|سياسة|اقتصاد|رياضة|ثقافة|تسجيل الدخول|البث المباشر|النشرة البريدية|برامج|صحة
ראשי|חדשות|כלכלה|ספורט|תרבות|התחברות|מנויים|הדואר האדום|מזג אוויר|לוח דרושים
होम|देश|विदेश|खेल|मनोरंजन|कारोबार|राशिफल|वीडियो|लाइव टीवी|ई-पेपर"""
TRAINING_PROMOS = (
    "Sign up for the Morning Briefing and get the day's biggest stories by email",
    "Get unlimited digital access for just $1 a month",
    "Download our free app for iPhone and Android",
    "Join 250,000 readers who get our weekly roundup",
    "Have a story? Email our newsdesk",
    "Follow our reporter on Twitter @newsdesk",
    "You have 3 free articles remaining this month",
    "Support independent journalism",
    "Advertisement - Continue Reading Below",
    "This video is no longer available",
    "Play video content",
    "Click to enlarge",
    "Listen to the podcast",
    "More on this story: timeline, maps and background",
    "Copyright 2024 Example Media Group. All rights reserved.",
    "Reproduction without permission is prohibited",
    "By Jane Doe, Staff Writer",
    "By our foreign staff",
    "Jane Doe - Political correspondent",
    "Posted by Newsroom in Local",
    "A woman walks past a mural. Photo: John Smith/Agency",
    "Protesters hold signs outside the building [File: Agency]",
    "Jetzt den Newsletter bestellen und nichts mehr verpassen",
    "Recevez chaque matin l'essentiel de l'actualité",
    "Recibe las noticias en tu correo cada mañana",
    "Подпишитесь на наш канал и читайте главное",
    "Přihlaste se k odběru newsletteru",
    "Εγγραφείτε στο ενημερωτικό δελτίο",
    "اشترك في نشرتنا البريدية اليومية",
    "הירשמו לניוזלטר היומי שלנו",
    "हमारे न्यूज़लेटर के लिए साइन अप करें",
)
EVALUATION_MENU = """Frontpage|Around the Nation|Statehouse|Courts & Crime|Energy Desk|Biotech
Startups|Wall Street Watch|Mutual Funds|Savings Calculator|Your Taxes|Retirement Planner
Premier League Table|Fixtures & Results|NFL Scores|Formula One|Rugby Union|Winter Games
Film Reviews|Box Office|Streaming Guide|What's On Stage|Book Club|Royal Family|Wine Cellar
City Breaks|Hotel Deals|Cruise Planner|Car Reviews|Garden Centre|Property Finder|Mortgage Advice
Death Notices|Family Announcements|Public Notices|Auction House|Dating|Bingo|Lottery Results
My Feed|Notifications|Dark Mode|Text Size|Switch Edition|Reader Offers|Editorial Standards
Complaints|Syndication|Modern Slavery Statement|Do Not Sell My Data|Media Kit|Investor Relations"""
EVALUATION_PROMOS = (
    "Morning Dispatch: what you need to know before nine, free in your mailbox",
    "Unlock every story with our spring offer, cancel any time",
    "Install the reader app to get alerts first",
    "Written by Our Regional Desk",
    "Tell us what you think of the new site design",
    "Listen to the latest episode wherever you get your podcasts",
    "Buy today's print edition",
    "Audio: hear the full interview",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled article as read: its set, id, language, headline and text."""

    set_name: str
    sample_id: str
    lang: str
    title: str
    text: str

    @property
    def is_held_out(self) -> bool:
        """Whether it serves the evaluation and not the training; one in five."""
        return zlib.crc32(self.sample_id.encode()) % 5 == 0


def read_samples(data_dir: Path) -> list[Sample]:
    """Read the articles of ``SETS`` and of the multilingual set, thinned where there are many."""
    samples: list[Sample] = []
    for name in (*SETS, "multiling2011_7lang"):
        with gzip.open(data_dir / f"{name}.jsonl.gz", "rt", encoding="utf-8") as rows:
            articles = [json.loads(row) for row in rows]
        limit = _LIMITS.get(name, len(articles))
        step = max(1, len(articles) // limit)
        samples += [
            Sample(name, a["id"], a["lang"] or "en", a["title"] or "", a["text"])
            for a in articles[::step]
            if a["text"].strip()
        ]
    return samples


def headlines_by_language(samples: Sequence[Sample]) -> dict[str, list[str]]:
    """Headlines by language; first sentences stand in where an article has none."""
    found: dict[str, list[str]] = {}
    for sample in samples:
        if sample.set_name == "reuters21578_unlabelled":
            continue
        headline = sample.title.lstrip("0123456789/ ") or sample.text.split(".")[0][:90]
        if "\n" not in headline and len(headline) > 8:
            found.setdefault(sample.lang, []).append(headline)
    return found


def link_rail(rng: random.Random, headlines: Sequence[str], count: int) -> list[str]:
    """Draw ``count`` headlines and print them as a list of links, in one of six styles."""
    style = rng.randrange(6)
    rows = []
    for number, headline in enumerate(rng.sample(headlines, min(count, len(headlines))), 1):
        row = headline
        if style == 1:
            row = f"- {headline}"
        elif style == 2:
            row = f"{number}. {headline}"
        elif style == 3:
            row = f"{headline} {rng.randrange(2, 23)} hours ago"
        elif style == 4:
            row = f"{rng.choice(('World', 'Politics', 'Sport', 'Video'))} | {headline}"
        rows.append(row)
    return rows


def surround(
    rng: random.Random,
    body: Sequence[str],
    headlines: Sequence[str],
    menu: Sequence[str],
    promos: Sequence[str],
) -> list[tuple[str, bool]]:
    """Put page furniture around an article: (line, whether it is the article's) in page order."""
    top = rng.sample(menu, min(len(menu), rng.randrange(0, 45)))
    if rng.random() < 0.3 and top:
        top = [" | ".join(top[:8]), *top[8:]]
    if rng.random() < 0.4:
        top += link_rail(rng, headlines, rng.randrange(2, 7))
    if rng.random() < 0.5:
        top.append(rng.choice(promos))
    page: list[tuple[str, bool]] = [(row, False) for row in top]
    for row in body:
        page.append((row, True))
        if rng.random() < 0.06:
            page.append((rng.choice(promos), False))
        if rng.random() < 0.04:
            page += [(row, False) for row in link_rail(rng, headlines, rng.randrange(1, 4))]
    for _ in range(rng.randrange(0, 4)):
        if rng.random() < 0.4:
            page.append((rng.choice(promos), False))
        page += [(row, False) for row in link_rail(rng, headlines, rng.randrange(4, 14))]
    page += [(row, False) for row in rng.sample(menu, min(len(menu), rng.randrange(0, 20)))]
    return page

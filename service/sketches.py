"""The part of placing an article that needs no look at the store: preparing it.

`Sketcher` prepares one article, or many together in half the time, and hands over all that finding,
deciding and storing it need.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from clustering.articles import Article, PreparedArticle, UInt8Array, UInt64Array
from clustering.errors import InvalidArticleError
from clustering.packing import pack_features
from clustering.preparer import ExtractedArticle, Preparation, extract_article
from clustering.propose import SignatureScheme, bucket_ids, bucket_weights
from service.clusterer import Clusterer
from service.identifiers import derive_article_id, posting_digest

# Above this many characters, or for HTML, preparing takes long enough (tens of milliseconds) to
# leave the event loop to others meanwhile.
_PREPARE_ASIDE_CHARACTERS = 20_000

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class Sketch:
    """An article prepared under the repeated lines of an epoch, with its record and buckets."""

    epoch: int
    preparation: Preparation
    record: bytes
    bucket_ids: UInt64Array
    bucket_weights: UInt8Array

    @property
    def prepared(self) -> PreparedArticle:
        """The prepared article itself."""
        return self.preparation.article


@dataclass(frozen=True, slots=True)
class Prepared:
    """An article ready to be placed; ``aside`` says that preparing it belongs in a thread."""

    article: Article
    article_id: str
    digest: bytes
    extracted: ExtractedArticle
    aside: bool
    sketch: Sketch


class Sketcher:
    """Prepares articles under the tables in force.

    Parameters
    ----------
    clusterer
        Has the preparer and the tables.
    """

    def __init__(self, clusterer: Clusterer) -> None:
        self._clusterer = clusterer

    async def prepare(self, article: Article) -> Prepared:
        """Do all that needs no look at the store.

        Raises
        ------
        InvalidArticleError
            Neither text nor HTML was given.
        """
        aside = belongs_aside(article)
        extracted = await _run(extract_article, article, aside=aside)
        return _prepared(article, extracted, aside, await self.sketch(extracted, aside=aside))

    async def prepare_many(self, articles: Sequence[Article]) -> list[Prepared | Exception]:
        """Do as `prepare` does, for articles together, which takes half the time."""
        if len(articles) == 1:
            return [await caught(self.prepare(articles[0]))]
        done: dict[int, Prepared | Exception] = {}
        together: dict[int, ExtractedArticle] = {}
        for place, article in enumerate(articles):
            try:
                if belongs_aside(article):
                    done[place] = await caught(self.prepare(article))
                else:
                    together[place] = extract_article(article)
            except InvalidArticleError as error:
                done[place] = error
        epoch, preparer = self._clusterer.lines_epoch, self._clusterer.preparer
        given = list(together.values())
        aside = sum(len(item.text) for item in given) > _PREPARE_ASIDE_CHARACTERS * 4
        many = await caught(_run(preparer.prepare_many, given, aside=aside))
        for number, (place, extracted) in enumerate(together.items()):
            if isinstance(many, Exception):
                # Which of them it was, only each by itself tells.
                done[place] = await caught(self.prepare(articles[place]))
            else:
                sketch = _sketch_of(many.preparation(number), epoch, preparer.scheme)
                done[place] = _prepared(articles[place], extracted, False, sketch)
        return [done[place] for place in range(len(articles))]

    async def renew(self, ready: Sequence[Prepared | Exception]) -> list[Prepared | Exception]:
        """Prepare those anew that were prepared under other repeated lines than are known now."""
        epoch = self._clusterer.lines_epoch
        renewed = list(ready)
        old = {
            place: item.article
            for place, item in enumerate(ready)
            if isinstance(item, Prepared) and item.sketch.epoch != epoch
        }
        if old:
            again = await self.prepare_many(list(old.values()))
            for place, item in zip(old, again, strict=True):
                renewed[place] = item
        return renewed

    async def sketch(self, extracted: ExtractedArticle, *, aside: bool) -> Sketch:
        """Prepare an article as far as storing it needs, under the tables in force."""
        epoch, preparer = self._clusterer.lines_epoch, self._clusterer.preparer
        preparation = await _run(preparer.prepare_extracted, extracted, aside=aside)
        return _sketch_of(preparation, epoch, preparer.scheme)


def _prepared(
    article: Article, extracted: ExtractedArticle, aside: bool, sketch: Sketch
) -> Prepared:
    return Prepared(
        article,
        article.article_id or derive_article_id(article),
        posting_digest(article),
        extracted,
        aside,
        sketch,
    )


def belongs_aside(article: Article) -> bool:
    """Whether preparing an article belongs in a thread.

    Raises
    ------
    InvalidArticleError
        It has no text and no page.
    """
    if not article.text.strip() and not article.html.strip():
        raise InvalidArticleError(
            "an article needs `text` or `html`, and both are empty", field="text"
        )
    return bool(article.html) or len(article.text) > _PREPARE_ASIDE_CHARACTERS


def _sketch_of(preparation: Preparation, epoch: int, scheme: SignatureScheme) -> Sketch:
    features = preparation.article.features
    buckets = bucket_ids(features, scheme)
    return Sketch(
        epoch=epoch,
        preparation=preparation,
        record=pack_features(features),
        bucket_ids=buckets,
        bucket_weights=bucket_weights(buckets),
    )


async def caught(doing: Awaitable[_Made]) -> _Made | Exception:
    """Return what went wrong instead of raising it.

    A defect that one article of many brings to light must not lose the answers of the others; the
    route logs it.
    """
    try:
        return await doing
    except Exception as error:  # noqa: BLE001
        return error


async def _run(work: Callable[[_Given], _Made], given: _Given, *, aside: bool) -> _Made:
    """Do it in a thread of its own, or here."""
    return await asyncio.to_thread(work, given) if aside else work(given)

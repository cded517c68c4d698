"""One example of each shape of JSON, as shown in the documentation of the API.

They tell one invented event: a ferry that runs aground. Tests post the inputs and check the
answers against ``service.schemas``.
"""

from __future__ import annotations

from typing import Any, Final

ARTICLE_EXAMPLE: Final[dict[str, Any]] = {
    "id": "wire-2041",
    "title": "Ferry runs aground off Tarnholm, 212 rescued",
    "text": "A car ferry with 212 people on board ran aground in thick fog off the island of "
    "Tarnholm early on Tuesday. Coast guard boats brought everyone ashore within three hours.",
    "published_at": "2026-03-10T06:40:00Z",
    "source": "Northern Wire",
    "url": "https://northernwire.example/2026/03/10/tarnholm-ferry",
    "lang": "en",
}
OUTCOME_EXAMPLE: Final[dict[str, Any]] = {
    "article_id": "wire-2041",
    "cluster_id": "c_mzxw6ytboi3damjs",
    "duplicate_group_id": "d_nbswy3dpeb3w64tm",
    "decision": "joined",
    "similarity": 0.82,
    "runner_up": {"cluster_id": "c_orugkidcmfxgc3tb", "similarity": 0.11},
    "revision": 4,
    "reason": "It reports the same event as the articles of this cluster.",
    "updated": False,
    "kind": "ordinary",
}
STORED_EXAMPLE: Final[dict[str, Any]] = {
    "article_id": "wire-2041",
    "cluster_id": "c_mzxw6ytboi3damjs",
    "duplicate_group_id": "d_nbswy3dpeb3w64tm",
    "title": ARTICLE_EXAMPLE["title"],
    "url": ARTICLE_EXAMPLE["url"],
    "source": "Northern Wire",
    "publisher": "northernwire.example",
    "published_at": "2026-03-10T06:40:00Z",
    "received_at": "2026-03-10T06:41:12.480000Z",
    "lang": "en",
    "kind": "ordinary",
    "decision": "joined",
    "similarity": 0.82,
    "revision": 4,
    "excerpt": "A car ferry with 212 people on board ran aground in thick fog …",
    "text": ARTICLE_EXAMPLE["text"],
}
LISTED_ARTICLE_EXAMPLE: Final[dict[str, Any]] = {**STORED_EXAMPLE, "text": None}
SUMMARY_EXAMPLE: Final[dict[str, Any]] = {
    "cluster_id": "c_mzxw6ytboi3damjs",
    "revision": 4,
    "size": 4,
    "duplicate_group_count": 3,
    "publisher_count": 3,
    "headline": ARTICLE_EXAMPLE["title"],
    "lead_article_id": "wire-2041",
    "key_terms": ["ferry", "tarnholm", "coast guard"],
    "languages": ["en"],
    "created_at": "2026-03-10T06:12:03Z",
    "updated_at": "2026-03-10T06:41:12.480000Z",
    "first_published_at": "2026-03-10T06:10:00Z",
    "last_published_at": "2026-03-10T06:40:00Z",
}
SERIES_EXAMPLE: Final[dict[str, Any]] = {
    "key": "s_mfzwkzdjnzqxgzlt",
    "title_template": "Coast weather",
    "explanation": 'Recurring item of coastlineradio.example: "Coast weather" also stands, on '
    "other days, over 2 other articles with another text or other figures.",
    "cluster_ids": ["c_nfxgizlsmuqhg33n", "c_orugkidcmfxgc3tb"],
}
CLUSTER_EXAMPLE: Final[dict[str, Any]] = {
    **SUMMARY_EXAMPLE,
    "series": None,
    "articles": [LISTED_ARTICLE_EXAMPLE],
    "more": True,
}
CHANGE_EXAMPLE: Final[dict[str, Any]] = {
    "kind": "merged",
    "from_cluster_id": "c_nb2xk4tfmqzdgmbq",
    "to_cluster_id": "c_mzxw6ytboi3damjs",
    "article_count": 4,
    "titles": ["Rescuers reach passengers of grounded ferry"],
    "joined_titles": ["Ferry Sveta Marija runs aground off Vis"],
    "left_titles": [],
    "shared_terms": ["Vis", "ferry", "Perković"],
    "parting_terms": [],
    "reason": {
        "kind": "arrivals",
        "similarity_before": 0.2214,
        "similarity_after": 0.2231,
        "arrivals": 2,
        "look_alike": "",
        "terms": [],
    },
}
RECLUSTERING_EXAMPLE: Final[dict[str, Any]] = {
    "reclustering_id": "r_ojswg3dvon2gk4tj",
    "state": "applied",
    "stage": "done",
    "progress": 1.0,
    "created_at": "2026-03-11T02:00:00Z",
    "finished_at": "2026-03-11T02:01:37Z",
    "article_count": 18240,
    "cluster_count_before": 6120,
    "cluster_count_after": 6104,
    "merged": 21,
    "split": 5,
    "minted": 5,
    "moved": 64,
    "unexplained": 0,
    "id_churn": 0.0035,
    "followed": 3,
    "window_days": 30.0,
    "rate_per_second": None,
    "eta_seconds": None,
    "applied_at": "2026-03-11T02:01:37Z",
    "error": None,
    "changes": [CHANGE_EXAMPLE],
}
BATCH_EXAMPLE: Final[dict[str, Any]] = {
    "results": [
        {"index": 0, "status": 201, **OUTCOME_EXAMPLE},
        {
            "index": 1,
            "status": 422,
            "article_id": "wire-2042",
            "problem": {
                "type": "urn:samestory:problem:invalid-article",
                "title": "The article cannot be used as it is",
                "status": 422,
                "detail": "text: give the article's `text`, or its page as `html`",
                "errors": [
                    {
                        "field": "text",
                        "message": "give the article's `text`, or its page as `html`",
                    }
                ],
            },
        },
    ],
    "accepted": 1,
    "rejected": 1,
}

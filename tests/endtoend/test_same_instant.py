"""Articles posted at the same instant through different workers."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.endtoend.harness import Service

TEXT = (
    "A freight train carrying timber left the rails outside Ostrava on Tuesday morning after "
    "hitting a fallen beech on the single-track line through the Beskydy foothills. The driver, "
    "Tomas Havlicek, was taken to hospital with a broken wrist; nobody else was hurt. The railway "
    "administration expects the line to stay closed until Friday while a crane from Prerov lifts "
    "eleven wagons back onto the track. Commuters between Ostrava and Frydlant are carried by "
    "buses, and the operator asked travellers to allow forty minutes more. Foresters had warned "
    "in March that beeches along the embankment were rotten, according to a letter seen by the "
    "regional paper."
)


def _post_all(service: Service, articles: list[dict[str, str]]) -> list[httpx.Response]:
    # A connection each, so that the kernel spreads them over the workers.
    def post(article: dict[str, str]) -> httpx.Response:
        with httpx.Client(base_url=service.url, timeout=60) as client:
            return client.post("/v1/articles", json=article)

    with ThreadPoolExecutor(max_workers=len(articles)) as pool:
        return list(pool.map(post, articles))


def test_one_article_posted_fifty_times_is_one_article(two_workers: Service) -> None:
    article = {"id": "train-1", "title": "Timber train derails near Ostrava", "text": TEXT}
    responses = _post_all(two_workers, [article] * 50)
    assert Counter(response.status_code for response in responses) == {200: 49, 201: 1}
    answers = [response.json() for response in responses]
    assert Counter(answer["decision"] for answer in answers) == {"already_stored": 49, "created": 1}
    assert len({answer["cluster_id"] for answer in answers}) == 1
    clusters = two_workers.client.get("/v1/clusters").json()["clusters"]
    assert [cluster["size"] for cluster in clusters] == [1]


def test_edited_copies_at_once_end_in_one_cluster_and_group(two_workers: Service) -> None:
    articles = [
        {
            "id": f"copy-{number}",
            "title": "Timber train derails near Ostrava",
            "text": TEXT.replace("forty minutes", f"{20 + number} minutes")
            + f" Report number {number}.",
            "source": f"paper{number}.example",
        }
        for number in range(20)
    ]
    responses = _post_all(two_workers, articles)
    assert Counter(response.status_code for response in responses) == {201: 20}
    stored = [
        two_workers.client.get(f"/v1/articles/{article['id']}").json() for article in articles
    ]
    assert len({article["cluster_id"] for article in stored}) == 1
    assert len({article["duplicate_group_id"] for article in stored}) == 1
    cluster = two_workers.client.get(f"/v1/clusters/{stored[0]['cluster_id']}").json()
    assert cluster["size"] == 20
    assert cluster["duplicate_group_count"] == 1

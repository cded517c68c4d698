"""``/v1/clusters`` and ``/v1/reclusterings``: listings, redirects, ETags, jobs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from service.reclustering_schemas import ReclusteringListOutput, ReclusteringOutput
from service.schemas import (
    ArticlePageOutput,
    ClusterOutput,
    ClusterPageOutput,
    MergedOutput,
)
from tests.service.fakes import FakeBackend, assert_problem, open_client


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def client(backend: FakeBackend) -> Iterator[TestClient]:
    with open_client(backend) as client:
        yield client


def post(client: TestClient, article_id: str, title: str) -> None:
    posting = {"id": article_id, "title": title, "text": "x"}
    assert client.post("/v1/articles", json=posting).status_code == 201


def test_listing_is_paged_to_its_end(client: TestClient) -> None:
    for number in range(5):
        post(client, f"a{number}", f"Event{number} happens")
    seen: list[str] = []
    cursor: str | None = None
    pages = 0
    while pages < 10:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        response = client.get("/v1/clusters", params=params)
        page = ClusterPageOutput.model_validate_json(response.content)
        seen += [each.cluster_id for each in page.clusters]
        pages += 1
        cursor = page.next_cursor
        if cursor is None:
            break
    assert pages == 3
    assert seen == [f"c_event{number}" for number in (4, 3, 2, 1, 0)]


def test_empty_listing(client: TestClient) -> None:
    assert client.get("/v1/clusters").json() == {"clusters": [], "next_cursor": None}


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "1.5", ""])
@pytest.mark.parametrize("path", ["/v1/clusters", "/v1/clusters/c_a/articles", "/v1/reclusterings"])
def test_bad_limits(client: TestClient, path: str, limit: str) -> None:
    problem = assert_problem(client.get(path, params={"limit": limit}), 422, "invalid-request")
    assert problem["errors"][0]["field"] == "limit"


def test_bad_cursor_and_unknown_parameter(client: TestClient) -> None:
    post(client, "a", "Ferry")
    for path in ("/v1/clusters", "/v1/clusters/c_ferry/articles"):
        response = client.get(path, params={"cursor": "forged"})
        problem = assert_problem(response, 400, "invalid-cursor")
        assert problem["errors"][0]["field"] == "cursor"
        problem = assert_problem(client.get(path, params={"limi": "5"}), 422, "invalid-request")
        assert "did you mean `limit`?" in problem["detail"]


def test_cluster_with_articles(client: TestClient) -> None:
    for number in range(51):
        post(client, f"a{number}", "Ferry aground")
    response = client.get("/v1/clusters/c_ferry")
    assert response.status_code == 200
    cluster = ClusterOutput.model_validate_json(response.content)
    assert (cluster.size, len(cluster.articles), cluster.more) == (51, 50, True)
    assert all(article.text is None for article in cluster.articles)

    first = client.get("/v1/clusters/c_ferry/articles", params={"limit": 50})
    page = ArticlePageOutput.model_validate_json(first.content)
    rest = client.get(
        "/v1/clusters/c_ferry/articles", params={"limit": 50, "cursor": page.next_cursor}
    )
    last = ArticlePageOutput.model_validate_json(rest.content)
    assert [each.article_id for each in page.articles + last.articles] == [
        f"a{number}" for number in range(51)
    ]
    assert last.next_cursor is None


def test_etag(client: TestClient) -> None:
    post(client, "a", "Ferry aground")
    first = client.get("/v1/clusters/c_ferry")
    tag = first.headers["etag"]
    for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        unchanged = client.get("/v1/clusters/c_ferry", headers={"If-None-Match": given})
        assert unchanged.status_code == 304
        assert unchanged.content == b""
        assert unchanged.headers["etag"] == tag
    other = client.get("/v1/clusters/c_ferry", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200
    post(client, "b", "Ferry saved")
    changed = client.get("/v1/clusters/c_ferry", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


def test_merged_cluster_redirects(client: TestClient, backend: FakeBackend) -> None:
    post(client, "a", "Ferry aground")
    backend.merged["c_old"] = "c_ferry"
    for suffix in ("", "/articles"):
        response = client.get("/v1/clusters/c_old" + suffix)
        assert response.status_code == 308
        assert response.headers["location"] == "/v1/clusters/c_ferry" + suffix
        merged = MergedOutput.model_validate_json(response.content)
        assert merged.merged_into == "c_ferry"
    assert client.get("/v1/clusters/c_old", follow_redirects=True).json()["size"] == 1


def test_closed_cluster_says_since_when(client: TestClient, backend: FakeBackend) -> None:
    backend.closed_clusters.add("c_old")
    for suffix in ("", "/articles"):
        problem = assert_problem(client.get("/v1/clusters/c_old" + suffix), 410, "cluster-closed")
        assert problem["closed_at"] == "2026-03-10T07:00:00Z"


def test_unknown_cluster(client: TestClient) -> None:
    for suffix in ("", "/articles"):
        problem = assert_problem(client.get("/v1/clusters/c_none" + suffix), 404, "not-found")
        assert "'c_none'" in problem["detail"]


@pytest.mark.parametrize(
    ("content", "state"),
    [(None, "applied"), (b"{}", "applied"), (b'{"apply": false}', "planned")],
)
def test_reclustering_is_started_and_read(
    client: TestClient, content: bytes | None, state: str
) -> None:
    headers = {} if content is None else {"Content-Type": "application/json"}
    started = client.post("/v1/reclusterings", content=content, headers=headers)
    assert started.status_code == 202
    job = ReclusteringOutput.model_validate_json(started.content)
    assert job.state == state
    location = started.headers["location"]
    assert location == f"/v1/reclusterings/{job.reclustering_id}"
    assert client.get(location).json() == started.json()
    listed = ReclusteringListOutput.model_validate_json(client.get("/v1/reclusterings").content)
    assert listed.reclusterings == [job]


def test_bad_reclusterings(client: TestClient, backend: FakeBackend) -> None:
    bad = client.post("/v1/reclusterings", json={"aply": False})
    assert "did you mean `apply`?" in assert_problem(bad, 422, "invalid-request")["detail"]
    bad = client.post("/v1/reclusterings", json={"apply": "no"})
    assert "true or false, not a string" in assert_problem(bad, 422, "invalid-request")["detail"]
    bad = client.post("/v1/reclusterings", json=[])
    assert_problem(bad, 422, "invalid-request")
    large = client.post("/v1/reclusterings", json={"apply": "x" * 5000})
    assert_problem(large, 413, "body-too-large")
    backend.running = True
    running = assert_problem(client.post("/v1/reclusterings"), 409, "reclustering-running")
    assert "r_1" in running["detail"]
    assert backend.jobs == {}
    assert_problem(client.get("/v1/reclusterings/r_none"), 404, "not-found")


def test_a_plan_is_applied_and_taken_back(client: TestClient, backend: FakeBackend) -> None:
    planned = client.post("/v1/reclusterings", json={"apply": False, "window_days": 7}).json()
    assert (planned["state"], planned["window_days"]) == ("planned", 7)
    path = f"/v1/reclusterings/{planned['reclustering_id']}"
    assert_problem(client.post(f"{path}:rollback"), 409, "reclustering-state")
    applied = client.post(f"{path}:apply")
    assert (applied.status_code, applied.headers["location"]) == (202, path)
    assert applied.json()["state"] == client.get(path).json()["state"] == "applied"
    assert_problem(client.post(f"{path}:apply"), 409, "reclustering-state")
    backend.running = True
    assert_problem(client.post(f"{path}:rollback"), 409, "reclustering-running")
    backend.running = False
    assert client.post(f"{path}:rollback").json()["state"] == "rolled_back"
    for verb in ("apply", "rollback"):
        missing = client.post(f"/v1/reclusterings/r_none:{verb}")
        assert_problem(missing, 404, "not-found")
    for days in (0, -1, 1e9, "7"):
        bad = client.post("/v1/reclusterings", json={"window_days": days})
        assert_problem(bad, 422, "invalid-request")

"""``/v1/constraints`` and ``/v1/clusters/{id}/lineage`` over HTTP, on a real server."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter
from starlette.testclient import TestClient

from service import constraint_schemas as schemas
from service import constraint_views as views
from service.app import create_app
from service.console import ExitCode
from service.lineage import LineageEvent, LineageView
from service.samples import sample_articles
from service.settings import Settings
from tests.service.fakes import FakeBackend, assert_problem, open_client


@pytest.fixture
def client(redis_url: str) -> Iterator[TestClient]:
    app = create_app(Settings(redis_url=redis_url))
    with TestClient(app, follow_redirects=False) as client:
        for article in sample_articles():
            assert client.post("/v1/articles", json=article).status_code == 201
        yield client


def homes(client: TestClient) -> dict[str, str]:
    return {
        item["id"]: client.get(f"/v1/articles/{item['id']}").json()["cluster_id"]
        for item in sample_articles()
    }


def largest(client: TestClient) -> tuple[str, list[str]]:
    """Return the largest cluster and its articles."""
    found: dict[str, list[str]] = {}
    for article_id, cluster_id in homes(client).items():
        found.setdefault(cluster_id, []).append(article_id)
    return max(found.items(), key=lambda item: (len(item[1]), item))


def say(client: TestClient, **body: Any) -> dict[str, Any]:
    response = client.post("/v1/constraints", json={"author": "ada", **body})
    assert response.status_code == 201, response.text
    schemas.ConstraintOutcomeOutput.model_validate_json(response.content)
    answer: dict[str, Any] = response.json()
    path = f"/v1/constraints/{answer['constraint']['constraint_id']}"
    assert response.headers["location"] == path
    return answer


def test_said_read_listed_and_undone(client: TestClient) -> None:
    _, (first, second, *_) = largest(client)
    body = {"kind": "cannot-link", "article_ids": [first, second], "author": "ada"}
    said = say(client, **body, reason="another ferry")
    assert len({item["cluster_id"] for item in said["articles"]}) == 2
    assert {item["article_id"]: item["cluster_id"] for item in said["articles"]} == {
        name: homes(client)[name] for name in (first, second)
    }
    name = said["constraint"]["constraint_id"]
    again = client.post("/v1/constraints", json=body)
    assert (again.status_code, again.json()["constraint"]["constraint_id"]) == (200, name)
    assert client.get(f"/v1/constraints/{name}").json() == said["constraint"]
    for params in ({}, {"article": first}):
        page = schemas.ConstraintPageOutput.model_validate_json(
            client.get("/v1/constraints", params=params).content
        )
        assert [item.constraint_id for item in page.constraints] == [name]
    assert client.get("/v1/constraints", params={"cluster": "c_x"}).json()["constraints"] == []
    undone = client.delete(f"/v1/constraints/{name}", params={"author": "grace", "reason": "no"})
    assert undone.status_code == 200
    constraint = undone.json()["constraint"]
    assert (constraint["state"], constraint["undone_by"]) == ("undone", "grace")
    assert homes(client)[first] == homes(client)[second]


def test_a_contradiction_names_its_chain(client: TestClient) -> None:
    a, b, c = [item["id"] for item in sample_articles()][:3]
    ab = say(client, kind="must-link", article_ids=[a, b])["constraint"]["constraint_id"]
    bc = say(client, kind="must-link", article_ids=[b, c])["constraint"]["constraint_id"]
    response = client.post(
        "/v1/constraints", json={"kind": "cannot-link", "article_ids": [a, c], "author": "eve"}
    )
    problem = assert_problem(response, 409, "contradiction")
    chain = TypeAdapter(list[schemas.ChainLinkOutput]).validate_python(problem["chain"])
    assert [link.constraint_id for link in chain] == [ab, bc, ""]
    assert [link.relation for link in chain] == ["together", "together", "apart"]
    assert ab in problem["detail"]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"kind": "must", "article_ids": ["a", "b"]}, 422, "kind"),
        ({"kind": "must-link", "article_ids": "a"}, 422, "article_ids"),
        ({"kind": "must-link", "article_ids": ["nowhere", "b"]}, 422, "article_ids"),
        ({"kind": "must-link", "articles": ["a", "b"]}, 422, "articles"),
        ({"kind": "headline", "cluster_id": "c_é", "headline": "x"}, 422, "cluster_id"),
        ({"kind": "headline", "cluster_id": "c_x", "headline": "x" * 501}, 422, "headline"),
        ({"kind": "must-link", "article_ids": ["a", "b"], "author": ""}, 422, "author"),
    ],
)
def test_bad_constraints(client: TestClient, body: dict[str, Any], status: int, field: str) -> None:
    response = client.post("/v1/constraints", json={"author": "ada", **body})
    problem = assert_problem(response, status, "invalid-constraint")
    assert problem["errors"][0]["field"] == field


def test_bad_requests(client: TestClient) -> None:
    assert_problem(client.get("/v1/constraints/k_none"), 404, "not-found")
    gone = client.delete("/v1/constraints/k_none", params={"author": "ada"})
    assert_problem(gone, 404, "not-found")
    assert_problem(client.delete("/v1/constraints/k_none"), 422, "invalid-request")
    assert_problem(client.get("/v1/constraints?articel=a"), 422, "invalid-request")
    assert_problem(client.get("/v1/constraints?cursor=x"), 400, "invalid-cursor")
    assert_problem(
        client.post("/v1/constraints", content=b"{", headers={"Content-Type": "application/json"}),
        400,
        "malformed-body",
    )
    assert_problem(client.get("/v1/clusters/c_none/lineage"), 404, "not-found")


def test_a_pinned_headline_is_shown_until_it_is_undone(client: TestClient) -> None:
    cluster_id = largest(client)[0]
    before = client.get(f"/v1/clusters/{cluster_id}")
    first = say(client, kind="headline", cluster_id=cluster_id, headline="The editor's own")
    second = say(client, kind="headline", cluster_id=cluster_id, headline="Better still")
    after = client.get(f"/v1/clusters/{cluster_id}")
    assert after.json()["headline"] == "Better still"
    assert after.headers["etag"] != before.headers["etag"]
    listed = {item["cluster_id"]: item for item in client.get("/v1/clusters").json()["clusters"]}
    assert listed[cluster_id]["headline"] == "Better still"
    for said in (second, first):
        name = said["constraint"]["constraint_id"]
        client.delete(f"/v1/constraints/{name}", params={"author": "ada"})
    assert client.get(f"/v1/clusters/{cluster_id}").json() == before.json()
    # It follows its cluster into another that has none of its own.
    (_, others), (small, few) = two_largest(client)
    pinned = say(client, kind="headline", cluster_id=small, headline="Follows")
    say(client, kind="must-link", article_ids=[*others, *few])
    home = homes(client)[few[0]]
    assert home != small
    assert client.get(f"/v1/clusters/{home}").json()["headline"] == "Follows"
    own = say(client, kind="headline", cluster_id=home, headline="Its own")
    assert client.get(f"/v1/clusters/{home}").json()["headline"] == "Its own"
    shown = []
    for said in (own, pinned):
        name = said["constraint"]["constraint_id"]
        client.delete(f"/v1/constraints/{name}", params={"author": "ada"})
        shown.append(client.get(f"/v1/clusters/{home}").json()["headline"])
    assert shown[0] == "Follows"
    assert shown[1] not in ("Follows", "Its own")


def two_largest(client: TestClient) -> list[tuple[str, list[str]]]:
    by_home: dict[str, list[str]] = {}
    for article_id, cluster_id in homes(client).items():
        by_home.setdefault(cluster_id, []).append(article_id)
    ranked = sorted(by_home.items(), key=lambda item: -len(item[1]))
    # As large ones would do, but of two as large either may keep its id.
    small = next(item for item in ranked if len(item[1]) < len(ranked[0][1]))
    return [ranked[0], small]


def test_lineage_tells_who_did_what(client: TestClient) -> None:
    (home, mine), (gone, theirs) = two_largest(client)
    before = {name: client.get(f"/v1/clusters/{name}/lineage").json() for name in (home, gone)}
    assert before[home]["events"][0]["event"] == "minted"
    assert before[home]["events"][0]["cause"] == "posting"
    said = say(client, kind="must-link", article_ids=[*mine, *theirs])["constraint"]
    assert homes(client)[theirs[0]] == home
    redirect = client.get(f"/v1/clusters/{gone}")
    assert redirect.status_code == 308
    assert redirect.headers["location"] == f"/v1/clusters/{home}"
    assert redirect.json() == {
        "cluster_id": gone,
        "merged_into": home,
        "cluster_url": f"/v1/clusters/{home}",
        "split_into": before[gone]["split_into"],
    }
    old = schemas.LineageOutput.model_validate_json(
        client.get(f"/v1/clusters/{gone}/lineage").content
    )
    assert (old.state, old.merged_into) == ("merged", home)
    last = old.events[-1]
    assert (last.event, last.cluster_id, last.cause) == ("merged_into", home, "constraint")
    assert last.cause_id == said["constraint_id"]
    assert len(old.events) == len(before[gone]["events"]) + 1
    new = schemas.LineageOutput.model_validate_json(
        client.get(f"/v1/clusters/{home}/lineage").content
    )
    assert (new.events[-1].event, new.events[-1].cluster_id) == ("merged_in", gone)
    # Undone, it is divided again: the part gets an id of its own, never the old one.
    name = said["constraint_id"]
    client.delete(f"/v1/constraints/{name}", params={"author": "ada"})
    parted = {homes(client)[article] for article in (*mine, *theirs)} - {home}
    assert parted
    assert gone not in parted
    (part, *_) = parted
    born = client.get(f"/v1/clusters/{part}/lineage").json()
    assert born["split_from"] == home
    assert [(event["event"], event["cause"]) for event in born["events"]] == [
        ("minted", "constraint"),
        ("split_from", "constraint"),
    ]
    assert part in client.get(f"/v1/clusters/{home}/lineage").json()["split_into"]
    # What is deleted leaves nothing but the id and when it ended.
    for article in [a for a, at in homes(client).items() if at == part]:
        assert client.delete(f"/v1/articles/{article}").status_code == 204
    closed = client.get(f"/v1/clusters/{part}/lineage").json()
    assert closed["state"] == "closed"
    assert closed["events"][-1]["event"] == "closed"


@pytest.mark.parametrize(
    ("model", "view"),
    [
        (schemas.ConstraintOutput, views.ConstraintView),
        (schemas.ConstraintOutcomeOutput, views.ConstraintOutcome),
        (schemas.PlacedArticleOutput, views.PlacedArticle),
        (schemas.ChainLinkOutput, views.ChainView),
        (schemas.LineageOutput, LineageView),
        (schemas.LineageEventOutput, LineageEvent),
    ],
)
def test_documented_fields_are_the_rendered_ones(model: type[BaseModel], view: type[Any]) -> None:
    assert list(model.model_fields) == [field.name for field in dataclasses.fields(view)]


@pytest.mark.parametrize(
    "model",
    [
        value
        for value in vars(schemas).values()
        if isinstance(value, type) and issubclass(value, BaseModel) and value is not BaseModel
    ],
)
def test_examples_fit_their_models(model: type[BaseModel]) -> None:
    for example in model.model_json_schema()["examples"]:
        TypeAdapter(model).validate_json(TypeAdapter(dict[str, Any]).dump_json(example))


def test_posted_examples_are_accepted() -> None:
    backend = FakeBackend()
    with open_client(backend) as client:
        for example in (
            schemas.MUST_LINK_EXAMPLE,
            schemas.CANNOT_LINK_EXAMPLE,
            schemas.NOT_IN_CLUSTER_EXAMPLE,
            schemas.HEADLINE_EXAMPLE,
        ):
            assert client.post("/v1/constraints", json=example).status_code == 201
        assert len(client.get("/v1/constraints").json()["constraints"]) == 4


def test_the_commands_say_it_over_http(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], client: TestClient
) -> None:
    from service.commands import constraint as command
    from service.console import CommandError, Console

    run = _on(monkeypatch, client)
    a, b, c = [item["id"] for item in sample_articles()][:3]
    editor = command.Editor("http://testserver", "ada", "seen")
    console = Console(machine=False)
    assert run(command.run_constrain, editor, "must-link", article_ids=[a, b]) is ExitCode.DONE
    shown = capsys.readouterr().out
    name = shown.split()[0]
    assert f"{a} is in c_" in shown
    with pytest.raises(CommandError, match="undo one of these first") as refused:
        command.run_constrain(editor, "cannot-link", article_ids=[b, a], console=console)
    assert refused.value.exit_code is ExitCode.PARTLY
    assert run(command.run_undo, editor, name) is ExitCode.DONE
    assert run(command.run_list, "http://testserver", article=a, cluster="") is ExitCode.DONE
    shown = capsys.readouterr().out
    assert "undone by ada" in shown
    assert run(command.run_list, "http://testserver", article=c, cluster="") is ExitCode.DONE
    assert "0 constraints" in capsys.readouterr().out


def _on(monkeypatch: pytest.MonkeyPatch, client: TestClient) -> Callable[..., ExitCode]:
    """Let the command's client speak to the application in this process."""
    import httpx

    from service.console import Console

    class Bridge(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            answer = client.request(
                request.method,
                str(request.url.raw_path.decode()),
                content=request.read(),
                headers=dict(request.headers),
            )
            return httpx.Response(
                answer.status_code, headers=dict(answer.headers), content=answer.content
            )

    real = httpx.Client
    monkeypatch.setattr(httpx, "Client", lambda **given: real(**given, transport=Bridge()))
    console = Console(machine=False)

    def run(command: Callable[..., ExitCode], *given: Any, **more: Any) -> ExitCode:
        return command(*given, **more, console=console)

    return run

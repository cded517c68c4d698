"""The OpenAPI document: valid, complete, and true to what the service answers."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from openapi_spec_validator import validate
from pydantic import BaseModel, TypeAdapter

from clustering.articles import Article
from clustering.neighbourhood import RunnerUp
from service import reclustering_schemas, schemas, views
from service.app import create_app
from service.problems import CATALOGUE
from service.settings import Settings
from tests.service.fakes import FakeBackend, open_client

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    schema: dict[str, Any] = create_app(Settings(), backend=FakeBackend()).openapi()
    return schema


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def test_document_is_valid_openapi(document: dict[str, Any]) -> None:
    validate(document)


def test_every_endpoint_is_there(operations: dict[str, dict[str, Any]]) -> None:
    assert set(operations) == {
        "GET /",
        "GET /healthz",
        "GET /metrics",
        "GET /readyz",
        "POST /v1/articles",
        "POST /v1/articles:batch",
        "GET /v1/articles/{article_id}",
        "DELETE /v1/articles/{article_id}",
        "GET /v1/clusters",
        "GET /v1/clusters/{cluster_id}",
        "GET /v1/clusters/{cluster_id}/articles",
        "GET /v1/clusters/{cluster_id}/lineage",
        "GET /v1/constraints",
        "POST /v1/constraints",
        "GET /v1/constraints/{constraint_id}",
        "DELETE /v1/constraints/{constraint_id}",
        "GET /v1/reclusterings",
        "POST /v1/reclusterings",
        "GET /v1/reclusterings/{reclustering_id}",
        "POST /v1/reclusterings/{reclustering_id}:apply",
        "POST /v1/reclusterings/{reclustering_id}:rollback",
    }


def test_everything_is_described_with_examples(operations: dict[str, dict[str, Any]]) -> None:
    missing = []
    for name, operation in operations.items():
        if not (operation.get("summary") and operation.get("description") and operation["tags"]):
            missing.append(f"{name}: summary, description or tag")
        contents = [
            (status, content)
            for status, answer in operation["responses"].items()
            if status not in {"204", "304"}
            for content in answer.get("content", {None: {}}).values()
        ]
        contents += [("body", each) for each in operation_bodies(operation)]
        missing += [
            f"{name}: example of {where}"
            for where, content in contents
            if "example" not in content and not content.get("examples")
        ]
        missing += [
            f"{name}: parameter {parameter['name']}"
            for parameter in operation.get("parameters", ())
            if not parameter.get("description")
            or not ("example" in parameter or "examples" in str(parameter))
        ]
    assert missing == []


def operation_bodies(operation: dict[str, Any]) -> list[dict[str, Any]]:
    return list(operation.get("requestBody", {}).get("content", {}).values())


def test_answers_with_errors_are_problems(operations: dict[str, dict[str, Any]]) -> None:
    for name, operation in operations.items():
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                assert list(answer["content"]) == ["application/problem+json"], f"{name} {status}"


def test_bodies_name_their_schema(document: dict[str, Any]) -> None:
    post = document["paths"]["/v1/articles"]["post"]
    schema = post["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/ArticleInput"}
    defined = document["components"]["schemas"]
    assert set(defined["ArticleInput"]["properties"]) == set(schemas.ArticleInput.model_fields)
    assert "HTTPValidationError" not in defined


def test_input_has_the_fields_of_an_article() -> None:
    fields = {field.name for field in dataclasses.fields(Article)} - {"article_id"} | {"id"}
    assert set(schemas.ArticleInput.model_fields) == fields


@pytest.mark.parametrize(
    ("model", "view"),
    [
        (schemas.OutcomeOutput, views.IngestOutcome),
        (schemas.RunnerUpOutput, RunnerUp),
        (schemas.ArticleOutput, views.ArticleView),
        (schemas.ClusterSummaryOutput, views.ClusterSummary),
        (schemas.SeriesOutput, views.SeriesView),
        (schemas.ClusterOutput, views.ClusterView),
        (schemas.MergedOutput, views.MergedView),
        (reclustering_schemas.ReclusteringChangeOutput, views.ReclusteringChange),
        (reclustering_schemas.ReclusteringOutput, views.Reclustering),
    ],
)
def test_documented_fields_are_the_rendered_ones(model: type[BaseModel], view: type[Any]) -> None:
    # Answers are rendered straight from the views.
    assert list(model.model_fields) == [field.name for field in dataclasses.fields(view)]


@pytest.mark.parametrize(
    "model",
    [
        value
        for name, value in vars(schemas).items()
        if isinstance(value, type) and issubclass(value, BaseModel) and value is not BaseModel
    ],
)
def test_examples_fit_their_models(model: type[BaseModel]) -> None:
    for example in model.model_json_schema().get("examples", ()):
        TypeAdapter(model).validate_json(TypeAdapter(dict[str, Any]).dump_json(example))


def test_posted_examples_are_accepted(operations: dict[str, dict[str, Any]]) -> None:
    with open_client(FakeBackend()) as client:
        for name, path in (("POST /v1/articles", "/v1/articles"),):
            content = operations[name]["requestBody"]["content"]["application/json"]
            for example in content["examples"].values():
                assert client.post(path, json=example["value"]).status_code in {200, 201}
        batch = operations["POST /v1/articles:batch"]["requestBody"]["content"]
        for example in batch["application/json"]["examples"].values():
            answer = client.post("/v1/articles:batch", json=example["value"]).json()
            assert answer["rejected"] == 0
        lines = client.post(
            "/v1/articles:batch",
            content=batch["application/x-ndjson"]["example"].encode(),
            headers={"Content-Type": "application/x-ndjson"},
        )
        assert lines.json()["accepted"] == 2


def test_problem_catalogue_has_no_doubles() -> None:
    assert len({each.slug for each in CATALOGUE}) == len(CATALOGUE)
    assert all(each.title and each.example and each.status >= 400 for each in CATALOGUE)

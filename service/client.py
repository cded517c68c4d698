"""A client of the HTTP API, for the command line and the demo.

Waits and tries again where the service asks for it (503 with ``Retry-After``) or cannot be
reached. That is safe because posting an article twice changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx
import orjson

_TRY_AGAIN_STATUS = frozenset({429, 502, 503, 504})
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 15.0
_PAGE_CLUSTERS = 200
_NOT_OURS = "not an answer of this version of samestory: check the address of the server"


class ClientError(Exception):
    """Base of the errors of a `ServiceClient`."""


class ServiceUnreachableError(ClientError):
    """No answer, or only "try again later", for as long as the client's patience lasts."""


class ServiceRefusedError(ClientError):
    """The service answered with a problem that waiting does not solve.

    Parameters
    ----------
    status
        HTTP status.
    detail
        The problem's detail, or what else the answer says.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{detail} (HTTP {status})")
        self.status = status
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Rejection:
    """An article that the service did not take: its index in what was posted, and why."""

    index: int
    status: int
    detail: str


@dataclass(slots=True)
class BatchAnswer:
    """What happened to the articles of a batch.

    Attributes
    ----------
    decisions
        Number of articles by decision (``created``, ``joined``, ``already_stored`` …).
    rejections
        By index.
    """

    decisions: dict[str, int] = field(default_factory=dict)
    rejections: list[Rejection] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        """Number of articles that are stored now."""
        return sum(self.decisions.values())


class ServiceClient:
    """Talks to one service; a context manager that closes its connections.

    Parameters
    ----------
    base_url
        Such as ``http://127.0.0.1:8000``.
    timeout_seconds
        For one answer; a batch of long articles takes some seconds.
    patience_seconds
        How long to go on trying when the service is away or busy.
    sleep
        Replaceable for tests.

    Raises
    ------
    ValueError
        ``base_url`` is no http or https address.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout_seconds: float = 120.0,
        patience_seconds: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        _check_url(base_url)
        self._http = httpx.Client(base_url=base_url, timeout=timeout_seconds)
        self._patience_seconds = patience_seconds
        self._sleep = sleep
        self.base_url = base_url

    def __enter__(self) -> ServiceClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def is_ready(self) -> bool:
        """Tell whether the service answers and can take articles."""
        try:
            return self._http.get("/readyz", timeout=2.0).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def post_article(self, article: Mapping[str, Any]) -> dict[str, Any]:
        """Post one article and return the service's answer."""
        return self._json("POST", "/v1/articles", content=orjson.dumps(dict(article)))

    def post_batch(self, articles: Sequence[Mapping[str, Any]]) -> BatchAnswer:
        """Post many articles.

        Articles that the service could not take just then are posted again; a batch that is too
        large for it is halved.

        Raises
        ------
        ServiceUnreachableError, ServiceRefusedError
            For the batch as a whole. Part of it may have been stored; posting it again is safe.
        """
        answer = BatchAnswer()
        if articles:
            self._post_items(list(enumerate(articles)), answer)
        answer.rejections.sort(key=lambda rejection: rejection.index)
        return answer

    def _post_items(self, items: list[tuple[int, Mapping[str, Any]]], answer: BatchAnswer) -> None:
        waited = _Patience(self._patience_seconds, self._sleep)
        while items:
            try:
                body = self._json(
                    "POST",
                    "/v1/articles:batch",
                    content=orjson.dumps([dict(article) for _, article in items]),
                )
            except ServiceRefusedError as error:
                if error.status != httpx.codes.REQUEST_ENTITY_TOO_LARGE:
                    raise
                if len(items) == 1:
                    answer.rejections.append(Rejection(items[0][0], error.status, error.detail))
                    return
                middle = len(items) // 2
                self._post_items(items[:middle], answer)
                self._post_items(items[middle:], answer)
                return
            try:
                items = self._note_results(body, items, answer)
            except (KeyError, IndexError, TypeError):
                raise ServiceRefusedError(httpx.codes.OK, _NOT_OURS) from None
            if items and not waited.pause(None):
                raise ServiceUnreachableError(
                    f"the service could not take {len(items)} articles for "
                    f"{self._patience_seconds:.0f} s; import again later, what is stored stays"
                )

    def _note_results(
        self,
        body: dict[str, Any],
        items: list[tuple[int, Mapping[str, Any]]],
        answer: BatchAnswer,
    ) -> list[tuple[int, Mapping[str, Any]]]:
        """Count what was decided and return the items that should be posted again."""
        again = []
        for result in body["results"]:
            item = items[result["index"]]
            problem = result.get("problem")
            if problem is None:
                decision = result["decision"]
                answer.decisions[decision] = answer.decisions.get(decision, 0) + 1
            elif result["status"] in _TRY_AGAIN_STATUS:
                again.append(item)
            else:
                detail = problem.get("detail") or problem["title"]
                answer.rejections.append(Rejection(item[0], result["status"], detail))
        return again

    def article(self, article_id: str) -> dict[str, Any]:
        """Return a stored article."""
        return self._json("GET", f"/v1/articles/{quote(article_id, safe='')}")

    def cluster(self, cluster_id: str) -> dict[str, Any]:
        """Return a cluster with its first articles."""
        return self._json("GET", f"/v1/clusters/{quote(cluster_id, safe='')}")

    def clusters(self) -> Iterator[dict[str, Any]]:
        """Yield the summaries of all clusters, those changed last first."""
        yield from self._pages("/v1/clusters", "clusters", {"limit": str(_PAGE_CLUSTERS)})

    def cluster_articles(self, cluster_id: str) -> Iterator[dict[str, Any]]:
        """Yield the articles of a cluster, without text, in order of arrival."""
        path = f"/v1/clusters/{quote(cluster_id, safe='')}/articles"
        yield from self._pages(path, "articles", {})

    def constrain(self, constraint: Mapping[str, Any]) -> dict[str, Any]:
        """Put a constraint in force and return it with where its articles are."""
        return self._json("POST", "/v1/constraints", content=orjson.dumps(dict(constraint)))

    def constraints(self, *, article: str = "", cluster: str = "") -> Iterator[dict[str, Any]]:
        """Yield constraints, newest first; of an article or a cluster where one is named."""
        given = {"article": article, "cluster": cluster}
        yield from self._pages("/v1/constraints", "constraints", given)

    def undo_constraint(self, constraint_id: str, *, author: str, reason: str) -> dict[str, Any]:
        """Take a constraint back and return it with where its articles are."""
        return self._json(
            "DELETE",
            f"/v1/constraints/{quote(constraint_id, safe='')}",
            params={"author": author, "reason": reason},
        )

    def lineage(self, cluster_id: str) -> dict[str, Any]:
        """Return the history of a cluster id."""
        return self._json("GET", f"/v1/clusters/{quote(cluster_id, safe='')}/lineage")

    def _pages(self, path: str, name: str, given: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Yield the entries of a listing, page by page."""
        cursor: str | None = None
        while True:
            params = {key: value for key, value in given.items() if value}
            page = self._json("GET", path, params=params | ({"cursor": cursor} if cursor else {}))
            yield from page[name]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def start_reclustering(self) -> dict[str, Any]:
        """Start the nightly job and return it as it stands."""
        return self._json("POST", "/v1/reclusterings")

    def reclustering(self, reclustering_id: str) -> dict[str, Any]:
        """Return a run of the nightly job as it stands."""
        return self._json("GET", f"/v1/reclusterings/{quote(reclustering_id, safe='')}")

    def _json(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        params: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Make a request, with patience, and return the JSON object it answers with."""
        waited = _Patience(self._patience_seconds, self._sleep)
        headers = {} if content is None else {"Content-Type": "application/json"}
        while True:
            try:
                response = self._http.request(
                    method, path, content=content, params=params, headers=headers
                )
            except httpx.TransportError as error:
                reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
                retry_after_seconds = None
            else:
                if response.status_code not in _TRY_AGAIN_STATUS:
                    return _object_of(response)
                reason = _detail(response)
                retry_after_seconds = _retry_after_seconds(response)
            if not waited.pause(retry_after_seconds):
                raise ServiceUnreachableError(
                    f"no usable answer from {self.base_url} within "
                    f"{self._patience_seconds:.0f} s; the last was: {reason}"
                )


class _Patience:
    """Pauses that double, or are as long as the service asks, until their sum is used up."""

    def __init__(self, patience_seconds: float, sleep: Callable[[float], None]) -> None:
        self._left_seconds = patience_seconds
        self._next_seconds = _FIRST_PAUSE_SECONDS
        self._sleep = sleep

    def pause(self, asked_seconds: float | None) -> bool:
        """Pause; ``False`` at once when no patience is left."""
        seconds = self._next_seconds if asked_seconds is None else asked_seconds
        if seconds > self._left_seconds:
            return False
        # A service that asks for no pause at all must not be asked again without end.
        self._left_seconds -= max(seconds, 0.1)
        self._next_seconds = min(_LONGEST_PAUSE_SECONDS, 2 * self._next_seconds)
        self._sleep(seconds)
        return True


def _check_url(base_url: str) -> None:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise ValueError(f"not an address: {error}") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("not an address: write one such as http://127.0.0.1:8000")


def _retry_after_seconds(response: httpx.Response) -> float | None:
    given = response.headers.get("retry-after", "")
    return float(given) if given.isascii() and given.isdigit() else None


def _object_of(response: httpx.Response) -> dict[str, Any]:
    if response.is_success or response.is_redirect:
        try:
            body = response.json()
        except ValueError:
            body = None
        if isinstance(body, dict):
            return body
        raise ServiceRefusedError(response.status_code, _NOT_OURS)
    raise ServiceRefusedError(response.status_code, _detail(response))


def _detail(response: httpx.Response) -> str:
    """Return what a problem says, or the beginning of whatever else was answered."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if isinstance(problem, dict):
        detail = problem.get("detail") or problem.get("title")
        if detail:
            return str(detail)
    return response.text[:200].strip() or response.reason_phrase

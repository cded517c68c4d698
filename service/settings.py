"""Environment → typed settings, each with its meaning, unit and range in one place.

Every setting is the environment variable ``SAMESTORY_`` + its name in capitals; the server's
address is ``REDIS_URL``, the name that hosting platforms use. A misspelt variable would leave
its default silently in force, so an unknown ``SAMESTORY_*`` name is refused.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from clustering.errors import ConfigurationError
from service.schedule import Schedule, parse_schedule, time_zone

ENV_PREFIX = "SAMESTORY_"
MEBIBYTE = 1 << 20

# Read by others than the service: the tests' labelled news and second server, and the drill of
# `service.reclustering.progress`.
_FOREIGN_NAMES = frozenset(
    {"SAMESTORY_DATA", "SAMESTORY_TEST_REDIS7", "SAMESTORY_RECLUSTER_PAUSE_AT"}
)
# Kubernetes announces a Service called "samestory" to every pod of its namespace under these.
_KUBERNETES_LINK = re.compile(r"SAMESTORY_(SERVICE_HOST|SERVICE_PORT\w*|PORT_\d+_(TCP|UDP)\w*)")
_REDIS_SCHEMES = frozenset({"redis", "rediss", "unix"})


class Settings(BaseSettings):
    """All settings of the service, validated. Constructor arguments win over the environment."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        validate_default=True,
    )

    redis_url: str | None = Field(
        default=None,
        validation_alias=AliasChoices("redis_url", "REDIS_URL"),
        description="Redis-protocol server, such as redis://host:6379/0, rediss://… for TLS or "
        "unix:///path. Without it the service starts a private Valkey in the data directory.",
    )
    data_dir: Path = Field(
        default=Path(".samestory"),
        description="Directory of the private Valkey's data; unused when REDIS_URL is given.",
    )
    collection: str = Field(
        default="default",
        pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$",
        description="Name of the collection of articles and clusters that is served.",
    )
    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="TCP port; 0 takes a free one.")
    workers: int = Field(
        default=1, ge=1, le=256, description="Server processes sharing the port and the store."
    )
    max_body_bytes: int = Field(
        default=2 * MEBIBYTE,
        ge=1024,
        le=1 << 30,
        description="Largest body of one posted article, after decompression.",
    )
    max_batch_bytes: int = Field(
        default=32 * MEBIBYTE,
        ge=1024,
        le=1 << 30,
        description="Largest body of a batch, after decompression.",
    )
    max_batch_items: int = Field(
        default=1000, ge=1, le=100_000, description="Most articles in one batch."
    )
    max_text_characters: int = Field(
        default=1_000_000, ge=100, description="Longest `text` of an article, in characters."
    )
    max_html_characters: int = Field(
        default=2_000_000, ge=100, description="Longest `html` of an article, in characters."
    )
    max_id_characters: int = Field(
        default=512, ge=16, le=4096, description="Longest article id, in characters."
    )
    max_future_hours: float = Field(
        default=48.0,
        ge=0,
        allow_inf_nan=False,
        description="How far ahead of now `published_at` may lie, in hours.",
    )
    retention_days: float = Field(
        default=30.0,
        gt=0,
        allow_inf_nan=False,
        description="Days that an article stays after it was received; it leaves with its time "
        "partition, at most a quarter of this later. 36500 keeps all for good.",
    )
    tombstone_days: float = Field(
        default=90.0,
        gt=0,
        allow_inf_nan=False,
        description="Days that the id of a cluster that ended is answered with 410, or with its "
        "redirect, instead of 404.",
    )
    recluster_at: str | None = Field(
        default=None,
        description="Time of day at which the service starts the nightly job by itself, such as "
        "03:30. Without it, it does not.",
    )
    recluster_max_churn: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Largest share of articles whose cluster id a reclustering may change by "
        "itself, 0 to 1; above it the plan is kept and waits for `samestory recluster apply`. "
        "1 applies every outcome.",
    )
    timezone: str = Field(
        default="UTC",
        description="IANA time zone of SAMESTORY_RECLUSTER_AT, such as Europe/Lisbon.",
    )
    store_timeout_seconds: float = Field(
        default=1.5,
        gt=0,
        le=60,
        description="How long one exchange with the store may take before it counts as away.",
    )
    store_retry_seconds: float = Field(
        default=1.0,
        gt=0,
        le=60,
        description="Pause between attempts to open a store that is away.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe log level that is written."
    )
    log_format: Literal["json", "text"] = Field(
        default="json", description="json: one object a line; text: for a terminal."
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _fold_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("recluster_at")
    @classmethod
    def _check_recluster_at(cls, value: str | None) -> str | None:
        if value is not None:
            parse_schedule(value, "UTC")
        return value

    @field_validator("timezone")
    @classmethod
    def _check_timezone(cls, value: str) -> str:
        time_zone(value)
        return value

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: str | None) -> str | None:
        if value is None or not value.strip():
            return None
        value = value.strip()
        try:
            parts = urlsplit(value)
            has_port = parts.port is not None
        except ValueError as error:
            raise ValueError(f"not a URL: {error}") from None
        if parts.scheme not in _REDIS_SCHEMES:
            raise ValueError(
                "must begin with redis://, rediss:// or unix://, such as redis://localhost:6379/0"
            )
        if parts.scheme == "unix" and not parts.path:
            raise ValueError("names no socket: write unix:///path/to/socket")
        if parts.scheme != "unix" and not parts.hostname:
            raise ValueError(
                "names no host: write redis://localhost:6379/0" if has_port else "names no host"
            )
        return value

    @model_validator(mode="after")
    def _check_sizes(self) -> Settings:
        if self.max_batch_bytes < self.max_body_bytes:
            raise ValueError(
                f"max_batch_bytes ({self.max_batch_bytes}) must not be below max_body_bytes "
                f"({self.max_body_bytes}): a batch of one article must fit"
            )
        return self

    @property
    def schedule(self) -> Schedule | None:
        """When the service starts the nightly job; ``None`` for never."""
        if self.recluster_at is None:
            return None
        return parse_schedule(self.recluster_at, self.timezone)


def environment_name(setting: str) -> str:
    """Environment variable of the setting of that name."""
    return "REDIS_URL" if setting == "redis_url" else ENV_PREFIX + setting.upper()


def load_settings(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read and check the settings of this process.

    Parameters
    ----------
    environ
        Checked for unknown ``SAMESTORY_*`` names; the process environment by default, from
        which the values are always read.
    overrides
        Settings by name that win over the environment; ``None`` means "not given".

    Raises
    ------
    ConfigurationError
        A variable is unknown, does not parse or is out of range. The message has one line a
        problem and names the variable to change.
    """
    _refuse_unknown_names(os.environ if environ is None else environ)
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise ConfigurationError("\n".join(_describe(error))) from None


def _refuse_unknown_names(environ: Mapping[str, str]) -> None:
    known = [environment_name(setting) for setting in Settings.model_fields]
    known_folded = {name.upper() for name in known}
    problems = []
    for name in sorted(environ):
        folded = name.upper()
        if (
            not folded.startswith(ENV_PREFIX)
            or folded in known_folded
            or folded in _FOREIGN_NAMES
            or _KUBERNETES_LINK.fullmatch(folded)
        ):
            continue
        if folded == ENV_PREFIX + "REDIS_URL":
            problems.append(f"{name} is not a setting: the server's address is REDIS_URL")
            continue
        # Compared without the prefix, which would make all of them look alike.
        suffix = folded.removeprefix(ENV_PREFIX).lower()
        near = difflib.get_close_matches(suffix, Settings.model_fields, n=1, cutoff=0.6)
        advice = (
            f"did you mean {environment_name(near[0])}?"
            if near
            else f"the settings are {', '.join(known)}"
        )
        problems.append(f"{name} is not a setting: {advice}")
    if problems:
        raise ConfigurationError("\n".join(problems))


def _describe(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False, include_context=False):
        setting = str(problem["loc"][0]).lower() if problem["loc"] else ""
        message = problem["msg"].removeprefix("Value error, ")
        if not setting:
            lines.append(message)
            continue
        # A URL may hold a password: its value is never repeated.
        shown = "" if setting == "redis_url" else f" (it is {str(problem['input'])[:80]!r})"
        line = f"{environment_name(setting)}: {message}{shown}"
        if setting == "port" and str(problem["input"]).startswith("tcp://"):
            line += (
                ". Kubernetes sets it for a Service called samestory: "
                "give the pod enableServiceLinks: false, or set the variable yourself"
            )
        lines.append(line)
    return lines

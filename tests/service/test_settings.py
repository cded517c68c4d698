"""Settings: defaults, ranges, and messages that name the variable to change."""

from __future__ import annotations

from pathlib import Path

import pytest

from clustering.errors import ConfigurationError
from service.settings import Settings, environment_name, load_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in Settings.model_fields:
        monkeypatch.delenv(environment_name(setting), raising=False)


def test_defaults() -> None:
    settings = load_settings()
    assert settings.redis_url is None
    assert settings.data_dir == Path(".samestory")
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8000, 1)
    assert settings.max_body_bytes == 2 * 1024 * 1024
    assert settings.max_batch_items == 1000
    assert settings.max_id_characters == 512
    assert settings.max_future_hours == 48
    assert settings.retention_days == 30
    assert settings.schedule is None


def test_every_setting_is_described_and_read_from_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = {
        "redis_url": "redis://h:1/0",
        "data_dir": "/d",
        "collection": "news",
        "host": "::1",
        "log_level": "ERROR",
        "log_format": "text",
        "recluster_at": "03:30",
        "timezone": "Europe/Lisbon",
        "recluster_max_churn": "0.5",
    }
    for setting, field in Settings.model_fields.items():
        assert field.description, setting
        # Numbers: one more than the default is another value within every range.
        value = given.get(setting) or str(int(field.default) + 1)
        monkeypatch.setenv(environment_name(setting), value)
    settings = load_settings()
    for setting, field in Settings.model_fields.items():
        assert getattr(settings, setting) != field.default, setting


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SAMESTORY_PORT", "65536", "SAMESTORY_PORT: Input should be less than or equal"),
        ("SAMESTORY_PORT", "tcp://10.0.0.1:80", "enableServiceLinks"),
        ("SAMESTORY_WORKERS", "0", "SAMESTORY_WORKERS"),
        ("SAMESTORY_MAX_FUTURE_HOURS", "nan", "SAMESTORY_MAX_FUTURE_HOURS"),
        ("SAMESTORY_MAX_BODY_BYTES", "1073741824", "max_batch_bytes"),
        ("SAMESTORY_COLLECTION", "a b", "SAMESTORY_COLLECTION"),
        ("SAMESTORY_RECLUSTER_AT", "3:30", "write hours and minutes, such as 03:30"),
        ("SAMESTORY_RECLUSTER_AT", "24:00", "SAMESTORY_RECLUSTER_AT: '24:00' is no time of day"),
        ("SAMESTORY_TIMEZONE", "Lisbon", "write its IANA name, such as Europe/Lisbon"),
        ("SAMESTORY_TIMEZONE", "../../etc/passwd", "SAMESTORY_TIMEZONE"),
        ("SAMESTORY_LOG_LEVEL", "loud", "SAMESTORY_LOG_LEVEL"),
        ("SAMESTORY_PRT", "1", "SAMESTORY_PRT is not a setting: did you mean SAMESTORY_PORT?"),
        ("SAMESTORY_COLOUR", "1", "the settings are REDIS_URL, SAMESTORY_DATA_DIR"),
        ("SAMESTORY_REDIS_URL", "redis://h", "the server's address is REDIS_URL"),
        ("REDIS_URL", "http://h", "redis://, rediss:// or unix://"),
        ("REDIS_URL", "localhost:6379", "redis://, rediss:// or unix://"),
        ("REDIS_URL", "redis://h:port", "REDIS_URL: not a URL"),
        ("REDIS_URL", "redis:///0", "names no host"),
        ("REDIS_URL", "unix://", "names no socket"),
    ],
)
def test_bad_values(monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "SAMESTORY_DATA",
        "SAMESTORY_SERVICE_HOST",
        "SAMESTORY_SERVICE_PORT_HTTP",
        "SAMESTORY_PORT_8000_TCP_ADDR",
    ],
)
def test_names_that_others_set_are_left_alone(name: str) -> None:
    assert load_settings({name: "x"}) == Settings()


@pytest.mark.parametrize("value", ["", "  "])
def test_empty_address_is_none(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("REDIS_URL", value)
    assert load_settings().redis_url is None


def test_arguments_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMESTORY_PORT", "9000")
    assert load_settings(port=9001).port == 9001
    assert load_settings(port=None).port == 9000


def test_unknown_argument_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="PRT: Extra inputs are not permitted"):
        load_settings(prt=1)


def test_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "https://user:hunter2@h")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)

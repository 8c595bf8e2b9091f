"""The settings: one frozen object, read once, from the environment or a ``.env`` file.

Unknown ``SIGNALBOX_`` names are an error, for a misspelt setting that is silently ignored is found in production.
Secrets are never printed.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from engine.errors import ConfigurationError
from engine.notifier.address import check_redis_url
from models.connection import DatabaseURL
from server.client.address import NAMES as CLIENT_NAMES
from server.keys import ApiKey, parse_list

PREFIX = "SIGNALBOX_"


SECONDS = {"s": 1, "m": 60, "h": 3600}
HOST_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}")
LONGEST_WAIT_SECONDS, MAX_WAITS = 7 * 86_400, 50


class Settings(BaseSettings):
    """What the environment says."""

    model_config = SettingsConfigDict(frozen=True, env_file=".env", extra="ignore", populate_by_name=True)

    database_url: SecretStr = Field(
        SecretStr("sqlite://signalbox.db"),
        validation_alias="DATABASE_URL",
        description="`sqlite://FILE` or `mysql://user:password@host:3306/name` (MariaDB too)",
    )
    redis_url: SecretStr | None = Field(
        None,
        validation_alias="REDIS_URL",
        description="hints between processes, over Redis or Valkey: `redis://user:password@host:6379/0`, `rediss://` "
        "with TLS, `unix:///path`; without it they poll",
    )
    notifier: Literal["auto", "poll", "redis", "memory"] = Field(
        "auto",
        validation_alias="SIGNALBOX_NOTIFIER",
        description="how processes learn of each other's work: `redis`, `poll` (from the database), or `memory`, for "
        "there is but one; `auto` is `redis` where `REDIS_URL` is set, else `poll`",
    )
    webhook_url: str | None = Field(
        None, validation_alias="WEBHOOK_URL", description="where every completed job is POSTed"
    )
    webhook_secret: SecretStr | None = Field(
        None, validation_alias="WEBHOOK_SECRET", description="`whsec_...`, signs what goes to `WEBHOOK_URL`"
    )
    secret_key: SecretStr | None = Field(
        None,
        validation_alias="SIGNALBOX_SECRET_KEY",
        description="encrypts the secrets of webhook endpoints; several with commas: the first encrypts, all decrypt. "
        "Without it, SQLite has a key file beside its database, and MySQL no endpoints",
    )
    smtp_url: SecretStr | None = Field(
        None,
        validation_alias="SMTP_URL",
        description="for `email.send`: `smtp://user:password@host:587/?starttls=true`",
    )
    api_keys: Annotated[tuple[ApiKey, ...], NoDecode] = Field(
        (),
        validation_alias="SIGNALBOX_API_KEYS",
        description="`name:role:key,...` with the roles viewer, operator and admin; without keys everyone is an admin, "
        "and it listens on loopback alone",
    )
    api_keys_file: Path | None = Field(
        None,
        validation_alias="SIGNALBOX_API_KEYS_FILE",
        description="a file with more of them, one a line, read again when it changes",
    )
    hosts: str = Field(
        "",
        validation_alias="SIGNALBOX_ALLOWED_HOSTS",
        description="without keys: names, with commas, that the server may be asked by beside `localhost`, any address "
        "and `--host`, as behind a proxy that authenticates; `*` for all",
    )
    rate_limit: int | None = Field(
        None,
        ge=1,
        validation_alias="SIGNALBOX_RATE_LIMIT",
        description="points of cost that each key may spend a minute, in each process",
    )
    redact: str = Field(
        "password,secret,token,authorization,api_key",
        validation_alias="SIGNALBOX_REDACT",
        description="keys, at any depth, whose values viewers see as `[redacted]`, and the server's log never has",
    )
    unknown_task: Literal["simulate", "reject"] = Field(
        "reject",
        validation_alias="SIGNALBOX_UNKNOWN_TASK",
        description="what a task name that no worker knows means: run it as `simulate`, or refuse it",
    )
    webhook_allow: str = Field(
        "",
        validation_alias="SIGNALBOX_WEBHOOK_ALLOW",
        description="CIDRs and hosts, with commas, that outbound HTTP may reach although they are private",
    )
    http_proxy: SecretStr | None = Field(
        None,
        validation_alias="SIGNALBOX_HTTP_PROXY",
        description="`http://user:password@host:port` of a proxy that outbound HTTP goes through; it then decides "
        "where names may lead. `HTTP_PROXY` and the like are not read",
    )
    webhook_retries: str = Field(
        "5s,5m,30m,2h,5h,10h,14h,20h,24h",
        validation_alias="SIGNALBOX_WEBHOOK_RETRIES",
        description="the waits after the first and each further failed try of a webhook: numbers with `s`, `m` or `h`",
    )
    retention_days: float = Field(
        30.0,
        ge=0,
        allow_inf_nan=False,
        validation_alias="SIGNALBOX_RETENTION_DAYS",
        description="ended jobs, with all that belongs to them, are removed after so many days; 0 keeps them",
    )
    root_path: str = Field(
        "", validation_alias="SIGNALBOX_ROOT_PATH", description="path prefix behind a proxy, as `/scheduler`"
    )
    introspection: bool = Field(
        True,
        validation_alias="SIGNALBOX_INTROSPECTION",
        description="whether clients may ask for the schema, and errors suggest names in it; GraphiQL needs it",
    )
    max_body_bytes: int = Field(
        1_048_576,
        ge=1024,
        validation_alias="SIGNALBOX_MAX_BODY_BYTES",
        description="a request, or a message on a websocket, has at most so many bytes",
    )
    max_cost: int = Field(
        10_000,
        ge=1,
        validation_alias="SIGNALBOX_MAX_COST",
        description="an operation costs at most so much: about the number of values in its answer",
    )
    webhook_test: bool = Field(
        False,
        validation_alias="SIGNALBOX_WEBHOOK_TEST",
        description="serve `/webhook-test`, a receiver to try webhooks with (`make run` does)",
    )
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        validation_alias="SIGNALBOX_METRICS_PORT",
        description="where `signalbox worker` serves `/metrics`, `/healthz` and `/readyz`; nowhere without it",
    )
    metrics_host: str = Field(
        "127.0.0.1",
        min_length=1,
        validation_alias="SIGNALBOX_METRICS_HOST",
        description="the address of that port; whoever reaches it sees them",
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", validation_alias="SIGNALBOX_LOG_FORMAT", description="`auto`: for people on a terminal, JSON otherwise"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, dotenv_settings

    @field_validator("api_keys", mode="before")
    @classmethod
    def _keys(cls, value: object) -> object:
        return parse_list(value) if isinstance(value, str) else value

    @field_validator("api_keys_file", "rate_limit", "metrics_port", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: SecretStr) -> SecretStr:
        DatabaseURL.parse(value.get_secret_value())
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        check_redis_url(value.get_secret_value())
        return value

    @field_validator("root_path")
    @classmethod
    def _path(cls, value: str) -> str:
        if value and not value.startswith("/"):
            raise ValueError("it must start with /, as in /scheduler")
        return value.rstrip("/")

    @field_validator("hosts")
    @classmethod
    def _host_names(cls, value: str) -> str:
        for name in _listed(value):
            if name != "*" and not HOST_NAME.fullmatch(name):
                raise ValueError(
                    f"{name[:80]!r} is no host's name, as scheduler.example.com; ports do not count, * is all"
                )
        return value

    @field_validator("webhook_retries")
    @classmethod
    def _retries(cls, value: str) -> str:
        read_waits(value)
        return value

    @property
    def retries(self) -> list[float]:
        """The seconds between the tries of a webhook."""
        return read_waits(self.webhook_retries)

    @property
    def database(self) -> DatabaseURL:
        """Where the jobs are kept."""
        return DatabaseURL.parse(self.database_url.get_secret_value())

    @property
    def redacted_keys(self) -> list[str]:
        """The keys whose values are secrets."""
        return _listed(self.redact)

    @property
    def secret_key_file(self) -> Path | None:
        """Where the key is kept that encrypts secrets when SIGNALBOX_SECRET_KEY is not set."""
        database = self.database
        return Path(f"{database.database}.key") if database.dialect == "sqlite" else None

    @property
    def reachable_hosts(self) -> list[str]:
        """What outbound HTTP may reach although it is private."""
        return _listed(self.webhook_allow)

    @property
    def known_hosts(self) -> list[str]:
        """The names under which clients may ask for this server while it has no keys."""
        return _listed(self.hosts)


def _listed(text: str) -> list[str]:
    """What is between the commas."""
    return [each.strip() for each in text.split(",") if each.strip()]


def read_waits(text: str) -> list[float]:
    """The seconds in ``5s,5m,2h``; no text, no waits.

    Raises:
        ValueError: one is no such wait, or there are more than 50.
    """
    waits = []
    for each in filter(None, (part.strip() for part in text.split(","))):
        found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)([smh])", each, re.ASCII)
        if found is None or (wait := float(found[1]) * SECONDS[found[2]]) > LONGEST_WAIT_SECONDS:
            raise ValueError(f"{each[:20]!r} is no wait of at most 7 days, as 5s, 5m or 2h")
        waits.append(wait)
    if len(waits) > MAX_WAITS:
        raise ValueError(f"{len(waits)} waits; at most {MAX_WAITS} fit")
    return waits


def read_settings(**given: Any) -> Settings:
    """The settings, with ``given`` before the environment.

    Raises:
        ConfigurationError: a value cannot be used, or a ``SIGNALBOX_`` name is not known.
    """
    _refuse_unknown_names()
    try:
        return Settings(**given)
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in each['loc'])}: {each['msg'].removeprefix('Value error, ')}"
            for each in error.errors(include_url=False, include_input=False)
        ]
        raise ConfigurationError("; ".join(lines)) from None


def names() -> list[str]:
    """Every name that is read."""
    return [str(field.validation_alias) for field in Settings.model_fields.values()]


def _refuse_unknown_names() -> None:
    file = Path(".env")
    given = set(os.environ) | (set(dotenv_values(file)) if file.exists() else set())
    known = names()
    for name in sorted(given):
        if name.startswith(PREFIX) and name not in known and name not in CLIENT_NAMES:
            endings = [each.removeprefix(PREFIX) for each in known if each.startswith(PREFIX)]
            near = difflib.get_close_matches(name.removeprefix(PREFIX), endings, 1)
            raise ConfigurationError(
                f"{name} is not a setting"
                + (f"; did you mean {PREFIX}{near[0]}?" if near else f"; there are {', '.join(known)}")
            )

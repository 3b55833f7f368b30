"""Settings of the service: environment variables `C4_ROUTER_CONFD_*` and two secret files."""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FilePath,
    HttpUrl,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from common import paths, ports

PREFIX = "C4_ROUTER_CONFD_"
OLD_PREFIX = "C4_CONFD_"  # what the variables began with once
T = TypeVar("T")


class ConfigError(Exception):
    """The service cannot start with these settings. The text says which one is wrong, and why."""


class Listen(NamedTuple):
    host: str
    port: int


def _listen(value: object) -> object:
    if not isinstance(value, str):
        return value
    host, _, port = value.rpartition(":")
    try:
        address = ipaddress.ip_address(host.strip("[]"))
        if not 0 <= int(port) <= 65535:
            raise ValueError(port)
    except ValueError:
        example = f"10.40.64.9:{ports.ROUTER_CONFD_INTERNAL}"
        raise ValueError(f"must be ADDRESS:PORT, port 0 to 65535, e.g. {example}") from None
    return Listen(str(address), int(port))


ListenAddress = Annotated[Listen, NoDecode, BeforeValidator(_listen)]


class Settings(BaseSettings):
    """Each field is the environment variable `C4_ROUTER_CONFD_<NAME>`; empty counts as unset."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True)

    database_host: str = Field(description="DNS name, IP address, or directory of a Unix socket")
    database_port: int = Field(
        default=ports.POSTGRES.number, ge=1, le=65535, description="TCP port of the database"
    )
    database_name: str = Field(
        default="router_confd", min_length=1, max_length=63, description="name of the database"
    )
    database_credentials_file: FilePath = Field(
        description='JSON {"username", "password"}; read for each new connection'
    )
    database_ca: FilePath | None = Field(
        default=None, description="CA bundle (PEM); required for a database on another host"
    )
    database_pool: int = Field(
        default=10, ge=2, le=100, description="connections in the pool of this instance"
    )
    database_timeout: float = Field(
        default=5.0, gt=0, le=60, description="seconds allowed for a statement"
    )
    secrets_file: FilePath = Field(
        description='JSON {"api_key", "encryption_key"}; optional: previous keys'
    )
    kamailio_listen: ListenAddress = Field(
        default=Listen("127.0.0.1", ports.ROUTER_CONFD_INTERNAL.number),
        description="address and port of the internal listener",
    )
    api_listen: ListenAddress = Field(
        default=Listen("127.0.0.1", ports.ROUTER_CONFD_API.number),
        description="address and port of the management listener",
    )
    api_tls_cert: FilePath | None = Field(
        default=None, description="certificate chain (PEM) of the management listener"
    )
    api_tls_key: FilePath | None = Field(
        default=None, description="private key (PEM) of the management listener"
    )
    wazo_auth_url: HttpUrl | None = Field(
        default=None, description="base URL of wazo-auth, for example https://auth.example.com/0.1"
    )
    wazo_auth_ca: FilePath | None = Field(
        default=None, description="CA bundle (PEM) for wazo-auth; none: the public CAs"
    )
    spool_dir: Path = Field(
        default=paths.ROUTER_CONFD_SPOOL,
        description="directory of the CDRs that wait for the database",
    )
    spool_limit: int = Field(
        default=100_000, ge=1, description="most CDRs in that directory; more are refused with 503"
    )
    max_staleness: float = Field(
        default=600.0,
        ge=1,
        le=86_400,
        description="seconds for which routing goes on without the database",
    )
    log_level: str = Field(
        default="INFO",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
        description="DEBUG, INFO, WARNING or ERROR",
    )

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if self.database_ca is None and not self.database_is_local:
            raise ValueError(f"{PREFIX}DATABASE_CA: required, since the database is another host")
        if (self.api_tls_cert is None) != (self.api_tls_key is None):
            raise ValueError(f"{PREFIX}API_TLS_CERT and {PREFIX}API_TLS_KEY: set both or neither")
        return self

    @property
    def database_is_local(self) -> bool:
        """True for a Unix socket and for loopback, where TLS is not required."""
        if self.database_host.startswith("/") or self.database_host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.database_host).is_loopback
        except ValueError:
            return False


def settings_table() -> str:
    """The settings as a Markdown table, for the README."""
    lines = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = "required" if field.is_required() else _shown(field.default)
        lines.append(f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines)


def _shown(value: object) -> str:
    if isinstance(value, Listen):
        return f"`{value.host}:{value.port}`"
    return "none" if value is None else f"`{value}`"


class Credentials(BaseModel):
    """The database login. RDS rotates it, so it is read again for each new connection."""

    username: str = Field(min_length=1)
    password: SecretStr = SecretStr("")


class Secrets(BaseModel):
    """Secrets of the service itself."""

    model_config = ConfigDict(frozen=True)

    api_key: SecretStr = Field(min_length=16, description="for the header X-API-Key")
    encryption_key: SecretStr = Field(min_length=16, description="for SIP credentials at rest")
    previous_encryption_keys: tuple[SecretStr, ...] = Field(
        default=(), description="still accepted for reading after a rotation"
    )


def load_settings() -> Settings:
    """Settings from the environment. Raises ConfigError naming every bad variable."""
    if moved := _moved():
        raise ConfigError("\n".join(moved))
    return _explained(_settings, lambda where: f"{PREFIX}{where.upper()}")


def _moved() -> list[str]:
    """One line for each variable that is still set under its old name."""
    return [
        f"{OLD_PREFIX}{name.upper()}: moved to {PREFIX}{name.upper()}"
        for name in Settings.model_fields
        if os.environ.get(f"{OLD_PREFIX}{name.upper()}")
    ]


def _settings() -> Settings:
    return Settings()  # type: ignore[call-arg]  # the environment gives them


def load_secrets(path: Path) -> Secrets:
    """The service's secrets. Raises ConfigError; the message never holds a secret value."""
    data = _json(path)
    return _explained(lambda: Secrets.model_validate(data), lambda w: f"{path}: {w}", secret=True)


def load_credentials(path: Path) -> Credentials:
    """The database login. Raises ConfigError; the message never holds a secret value."""
    data = _json(path)
    return _explained(
        lambda: Credentials.model_validate(data), lambda w: f"{path}: {w}", secret=True
    )


def _json(path: Path) -> Any:
    try:
        data = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}: must be JSON (line {error.lineno})") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: must be a JSON object")
    return data


def _explained(make: Callable[[], T], name: Callable[[str], str], *, secret: bool = False) -> T:
    try:
        return make()
    except ValidationError as error:
        lines = []
        for item in error.errors():
            where = ".".join(str(part) for part in item["loc"])
            value = "" if secret or item["type"] == "missing" else f" (got {item['input']!r})"
            message = item["msg"].removeprefix("Value error, ")
            lines.append(f"{name(where)}: {message}{value}" if where else message)
        raise ConfigError("\n".join(lines)) from None

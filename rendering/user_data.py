"""User data of an instance: what EC2 hands to cloud-init, final at synth."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cached_property

from common.topology import Tier
from rendering import instance_files, mime
from rendering.files import File
from rendering.instance import InstanceContext
from rendering.templates import render
from settings.deployment import Deployment
from settings.tenant import Tenant

LIMIT = 16_384  # bytes before base64, EC2


class UserDataTooLarge(ValueError):
    """More bytes than EC2 accepts; the message gives the number and the largest files."""


class TerraformInterpolation(ValueError):
    """A file has `${`, which Terraform would replace."""


@dataclass(frozen=True)
class UserData:
    """The files of an instance (as written by cloud-init) and their transport."""

    files: tuple[File, ...]
    mime: str

    @cached_property
    def compressed(self) -> bytes:
        return mime.compress(self.mime, LIMIT)

    @property
    def encoded(self) -> str:
        """Base64 of the gzip'd MIME message: `user_data` of a launch template."""
        return base64.b64encode(self.compressed).decode("ascii")

    @property
    def size(self) -> int:
        """Bytes that count towards EC2's limit: compressed, before base64."""
        return len(self.compressed)


@dataclass(frozen=True)
class _FilesContext:
    """Context of the cloud-config parts."""

    role: str
    write_files: str


def for_tier(deployment: Deployment, tenant: Tenant, tier: Tier) -> UserData:
    """User data of a tenant's tier. Raises `UserDataTooLarge`, `TerraformInterpolation`."""
    own = instance_files.tier_files(deployment, tenant, tier)
    context = InstanceContext.of_tier(deployment, tenant, tier, instance_files.list_names(tier))
    base = instance_files.tier_base_files(deployment, tenant, tier, context)
    return _assemble(context, base, own)


def for_consul_server(deployment: Deployment) -> UserData:
    """User data of the Consul servers. Raises as `for_tier`."""
    context = InstanceContext.of_consul_server(deployment)
    return _assemble(context, instance_files.server_files(deployment, context), ())


def _assemble(context: InstanceContext, base: tuple[File, ...], own: tuple[File, ...]) -> UserData:
    local = instance_files.fact_files(context)
    parts = [("base.yaml", "cloud-init/base.yaml.j2", base)]
    if own:
        parts.append((f"{context.role}.yaml", "cloud-init/tier.yaml.j2", own))
    parts.append(("facts.yaml", "cloud-init/facts.yaml.j2", local))
    files = (*base, *own, *local)
    _check_files(files)
    message = mime.multipart(
        (name, render(template, _FilesContext(context.role, mime.write_files(part_files))))
        for name, template, part_files in parts
    )
    data = UserData(files, message)
    if data.size > LIMIT:
        largest = sorted(files, key=lambda f: len(f.content), reverse=True)[:3]
        names = ", ".join(f"{f.path} ({len(f.content)})" for f in largest)
        raise UserDataTooLarge(
            f"user data of {context.role} has {data.size} bytes compressed, EC2 accepts "
            f"{LIMIT}; largest files, uncompressed: {names}"
        )
    return data


def _check_files(files: tuple[File, ...]) -> None:
    paths = [f.path for f in files]
    for path in sorted({p for p in paths if paths.count(p) > 1}):
        raise ValueError(f"{path}: two files for one path")
    for file in files:
        if "${" in file.content:
            raise TerraformInterpolation(f"{file.path}: '${{' would be replaced by Terraform")

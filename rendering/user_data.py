"""User data of an instance: what EC2 hands to cloud-init, final at synth."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cached_property

from common import names, paths
from common.topology import CONSUL_SERVER, Tier
from rendering import instance_files, mime
from rendering.bundle import Bundle
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
    """The files of an instance, and how they reach it.

    cloud-init writes those with the instance's own facts, which are in `mime`. They name the
    `bundle`, which has all others.
    """

    files: tuple[File, ...]
    mime: str
    bundle: Bundle

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
    """Context of the cloud-config part with files."""

    write_files: str


@dataclass(frozen=True)
class _BundleContext:
    """Context of `bundle.json`."""

    bucket: str  # its name but for the account's number, which only the instance knows
    key: str
    sha256: str


def for_tier(deployment: Deployment, tenant: Tenant, tier: Tier) -> UserData:
    """User data of a tenant's tier. Raises `UserDataTooLarge`, `TerraformInterpolation`."""
    own = instance_files.tier_files(deployment, tenant, tier)
    context = InstanceContext.of_tier(deployment, tenant, tier, instance_files.list_names(tier))
    base = instance_files.tier_base_files(deployment, tenant, tier, context)
    return _assemble(context, (*base, *own), tenant.name)


def for_consul_server(deployment: Deployment) -> UserData:
    """User data of the Consul servers. Raises as `for_tier`."""
    context = InstanceContext.of_consul_server(deployment)
    return _assemble(context, instance_files.server_files(deployment, context), CONSUL_SERVER)


def _assemble(context: InstanceContext, bundled: tuple[File, ...], owner: str) -> UserData:
    bundle = Bundle.of(names.bundle_key(owner, context.role), bundled)
    place = _BundleContext(names.files_bucket(context.deployment, ""), bundle.key, bundle.sha256)
    local = (
        *instance_files.fact_files(context),
        File(str(paths.BUNDLE), render("cloud-init/bundle.json.j2", place)),
    )
    files = (*bundled, *local)
    _check_files(files)
    facts = render("cloud-init/facts.yaml.j2", _FilesContext(mime.write_files(local)))
    message = mime.multipart(
        [("base.yaml", render("cloud-init/base.yaml.j2")), ("facts.yaml", facts)]
    )
    data = UserData(files, message, bundle)
    if data.size > LIMIT:
        largest = sorted(local, key=lambda f: len(f.content), reverse=True)[:3]
        sizes = ", ".join(f"{f.path} ({len(f.content)})" for f in largest)
        raise UserDataTooLarge(
            f"user data of {context.role} has {data.size} bytes compressed, EC2 accepts "
            f"{LIMIT}; largest files, uncompressed: {sizes}"
        )
    return data


def _check_files(files: tuple[File, ...]) -> None:
    taken = [f.path for f in files]
    for path in sorted({p for p in taken if taken.count(p) > 1}):
        raise ValueError(f"{path}: two files for one path")
    for file in files:
        if "${" in file.content:
            raise TerraformInterpolation(f"{file.path}: '${{' would be replaced by Terraform")

"""The machine image."""

from __future__ import annotations

from pydantic import Field

from common.sip_packages import SipPackages
from settings.base import INSTANCE_TYPE_PATTERN, Model


class ConsulRelease(Model):
    """An official release of Consul, instead of the one that is built from Go modules."""

    url: str = Field(
        pattern=r"^(https://|http://(localhost|127\.0\.0\.1)[:/])\S+$",
        description="zip file of Consul for Linux as HashiCorp publishes it; https, or http from "
        "the machine that builds the image",
    )
    sha256: str = Field(
        pattern=r"^[0-9a-fA-F]{64}$",
        description="SHA-256 of the zip file, from the list of hashes that HashiCorp signs",
    )
    allow_untested: bool = Field(
        default=False,
        description="accept a version that is newer than those this project is tested with",
    )


class ImageConsul(Model):
    """The Consul that the image installs."""

    release: ConsulRelease | None = Field(
        default=None, description="an official release; default: built from Go modules"
    )


class Image(Model):
    """The machine image that all instances boot."""

    id: str | None = Field(
        default=None,
        pattern=r"^ami-[0-9a-f]{8,17}$",
        description="AMI id; default: the newest own image whose name matches `name`",
    )
    name: str = Field(
        default="c4-debian13-*",
        # EC2 allows more; these are the characters, and the length, that Image Builder takes, too.
        pattern=r"^[A-Za-z0-9_-][A-Za-z0-9 ._-]*\*$",
        max_length=100,
        description="name filter of the AMI look-up; EC2 Image Builder puts the date for `*`",
    )
    build_instance_type: str = Field(
        default="c6i.large",
        pattern=INSTANCE_TYPE_PATTERN,
        description="EC2 instance type that the image is built on",
    )
    disk_gb: int = Field(default=8, ge=8, le=1024, description="root volume of the image, GiB")
    consul: ImageConsul = Field(default=ImageConsul(), description="Consul in the image")
    sip_packages: SipPackages = Field(
        default=SipPackages.DEBIAN13,
        description="Kamailio of the image: Debian 13's, or that of Debian testing (`backports`)",
    )

"""The tables. Every row belongs to a tenant, and refers to rows of that tenant only."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from common import cdr


class Base(DeclarativeBase):
    type_annotation_map: ClassVar[dict[type, type]] = {str: Text, UUID: Uuid}


class Owned(Base):
    """A row that belongs to a tenant, with an integer id."""

    __abstract__ = True
    id: Mapped[int] = mapped_column(primary_key=True)

    @declared_attr
    def tenant_uuid(cls) -> Mapped[UUID]:
        return mapped_column(ForeignKey("tenants.uuid", ondelete="CASCADE"))


def _within_tenant(column: str, table: str, ondelete: str = "CASCADE") -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant_uuid", column], [f"{table}.tenant_uuid", f"{table}.id"], ondelete=ondelete
    )


def _referable() -> UniqueConstraint:
    return UniqueConstraint("tenant_uuid", "id")


def _profile() -> ForeignKeyConstraint:
    column = "normalization_profile_id"
    return _within_tenant(column, "normalization_profiles", f"SET NULL ({column})")


class Tenant(Base):
    __tablename__ = "tenants"
    uuid: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(256), unique=True)
    max_calls: Mapped[int | None]
    max_cps: Mapped[int | None]


class Domain(Owned):
    __tablename__ = "domains"
    domain: Mapped[str] = mapped_column(String(64))
    __table_args__ = (_referable(), UniqueConstraint("tenant_uuid", "domain"))


class NormalizationProfile(Owned):
    __tablename__ = "normalization_profiles"
    name: Mapped[str] = mapped_column(String(256))
    country_code: Mapped[str | None] = mapped_column(String(64))
    area_code: Mapped[str | None] = mapped_column(String(64))
    intl_prefix: Mapped[str | None] = mapped_column(String(64))
    ld_prefix: Mapped[str | None] = mapped_column(String(64))
    always_ld: Mapped[bool] = mapped_column(default=False)
    always_intl_prefix_plus: Mapped[bool] = mapped_column(default=False)
    __table_args__ = (_referable(), UniqueConstraint("tenant_uuid", "name"))


class NormalizationRule(Owned):
    __tablename__ = "normalization_rules"
    profile_id: Mapped[int]
    rule_type: Mapped[int] = mapped_column(default=1)
    priority: Mapped[int] = mapped_column(default=0)
    match_regex: Mapped[str] = mapped_column(String(256))
    replace_regex: Mapped[str] = mapped_column(String(256))
    __table_args__ = (
        _within_tenant("profile_id", "normalization_profiles"),
        UniqueConstraint("profile_id", "match_regex"),
        Index("ix_normalization_rules_profile", "tenant_uuid", "profile_id"),
    )


class Ipbx(Owned):
    __tablename__ = "ipbx"
    domain_id: Mapped[int]
    normalization_profile_id: Mapped[int | None]
    customer: Mapped[int | None]
    ip_fqdn: Mapped[str] = mapped_column(String(256))
    port: Mapped[int] = mapped_column(default=5060)
    ip_address: Mapped[str | None] = mapped_column(String(256))
    registered: Mapped[bool] = mapped_column(default=False)
    username: Mapped[str | None] = mapped_column(String(50))
    realm: Mapped[str | None] = mapped_column(String(50))
    password: Mapped[str | None]  # one-way hash, see auth.crypto.hash_password
    password_ha1: Mapped[
        str | None
    ]  # encrypted HA1 of the PBX's digest towards us (realm = domain)
    realm_ha1: Mapped[str | None]  # encrypted HA1 of our digest towards the PBX (realm = `realm`)
    max_calls: Mapped[int | None]
    max_cps: Mapped[int | None]
    transport: Mapped[str | None] = mapped_column(String(3))
    __table_args__ = (
        _referable(),
        _within_tenant("domain_id", "domains"),
        _profile(),
        UniqueConstraint("tenant_uuid", "domain_id", "username"),
    )


class Carrier(Owned):
    __tablename__ = "carriers"
    name: Mapped[str] = mapped_column(String(256))
    __table_args__ = (_referable(), UniqueConstraint("tenant_uuid", "name"))


class CarrierTrunk(Owned):
    __tablename__ = "carrier_trunks"
    carrier_id: Mapped[int]
    normalization_profile_id: Mapped[int | None]
    name: Mapped[str] = mapped_column(String(256))
    sip_proxy: Mapped[str] = mapped_column(String(128))
    sip_proxy_port: Mapped[int] = mapped_column(default=5060)
    ip_address: Mapped[str | None] = mapped_column(String(256))
    registered: Mapped[bool] = mapped_column(default=False)
    auth_username: Mapped[str | None] = mapped_column(String(64))
    auth_password: Mapped[str | None]  # encrypted
    realm: Mapped[str | None] = mapped_column(String(64))
    registrar_proxy: Mapped[str | None] = mapped_column(String(128))
    from_domain: Mapped[str | None] = mapped_column(String(64))
    expire_seconds: Mapped[int] = mapped_column(default=3600)
    retry_seconds: Mapped[int] = mapped_column(default=30)
    max_calls: Mapped[int | None]
    max_cps: Mapped[int | None]
    transport: Mapped[str | None] = mapped_column(String(3))
    __table_args__ = (
        _referable(),
        _within_tenant("carrier_id", "carriers"),
        _profile(),
        UniqueConstraint("tenant_uuid", "carrier_id", "name"),
    )


class Did(Owned):
    __tablename__ = "dids"
    ipbx_id: Mapped[int]
    carrier_trunk_id: Mapped[int]
    did_regex: Mapped[str | None] = mapped_column(String(256))
    did_prefix: Mapped[str] = mapped_column(
        Text, default=""
    )  # every matching number starts with it
    is_number: Mapped[bool] = mapped_column(default=False)  # did_prefix is the whole number
    __table_args__ = (
        _within_tenant("ipbx_id", "ipbx"),
        _within_tenant("carrier_trunk_id", "carrier_trunks"),
        UniqueConstraint("tenant_uuid", "did_regex"),
        Index("ix_dids_prefix", "did_prefix"),
        Index("ix_dids_ipbx", "tenant_uuid", "ipbx_id"),
        Index("ix_dids_trunk", "tenant_uuid", "carrier_trunk_id"),
    )


class RoutingRule(Owned):
    __tablename__ = "routing_rules"
    carrier_trunk_id: Mapped[int]
    ipbx_id: Mapped[int]
    prefix: Mapped[str | None] = mapped_column(String(128))
    did_regex: Mapped[str | None] = mapped_column(String(256))
    route_type: Mapped[str] = mapped_column(String(10), default="pstn")
    priority: Mapped[int | None]  # null: the rule is only stored, and has no part in routing
    weight: Mapped[int | None]
    __table_args__ = (
        _referable(),
        _within_tenant("carrier_trunk_id", "carrier_trunks"),
        _within_tenant("ipbx_id", "ipbx"),
        CheckConstraint("weight IS NULL OR weight > 0"),
    )


class RoutingGroup(Owned):
    __tablename__ = "routing_groups"
    routing_rule_id: Mapped[int | None]
    __table_args__ = (
        _within_tenant("routing_rule_id", "routing_rules"),
        Index("ix_routing_groups_rule", "tenant_uuid", "routing_rule_id"),
    )


class Cdr(Owned):
    __tablename__ = "cdrs"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    idempotency_key: Mapped[UUID] = mapped_column(unique=True)
    source_ip: Mapped[str] = mapped_column(String(64))
    source_port: Mapped[int]
    from_uri: Mapped[str] = mapped_column(String(cdr.TEXT_LENGTH))
    to_uri: Mapped[str] = mapped_column(String(cdr.TEXT_LENGTH))
    call_id: Mapped[str] = mapped_column(String(cdr.TEXT_LENGTH))
    call_start: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    duration: Mapped[int | None]
    ipbx_id: Mapped[int | None]  # no foreign key: a record outlives the PBX and the trunk
    carrier_trunk_id: Mapped[int | None]
    __table_args__ = (Index("ix_cdrs_tenant", "tenant_uuid", "id"),)

"""The tables, as the API of wazo-router-confd has them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "tenants",
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.PrimaryKeyConstraint("uuid"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "carriers",
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_uuid", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_uuid"], ["tenants.uuid"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant_uuid", "id"),
        sa.UniqueConstraint("tenant_uuid", "name"),
    )
    op.create_table(
        "cdrs",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("idempotency_key", sa.Uuid(), nullable=False),
        sa.Column("source_ip", sa.String(length=64), nullable=False),
        sa.Column("source_port", sa.Integer(), nullable=False),
        sa.Column("from_uri", sa.String(length=256), nullable=False),
        sa.Column("to_uri", sa.String(length=256), nullable=False),
        sa.Column("call_id", sa.String(length=256), nullable=False),
        sa.Column("call_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration", sa.Integer(), nullable=True),
        sa.Column("ipbx_id", sa.Integer(), nullable=True),
        sa.Column("carrier_trunk_id", sa.Integer(), nullable=True),
        sa.Column("tenant_uuid", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_uuid"], ["tenants.uuid"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("idempotency_key"),
    )
    op.create_index("ix_cdrs_tenant", "cdrs", ["tenant_uuid", "id"], unique=False)
    op.create_table(
        "domains",
        sa.Column("domain", sa.String(length=64), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_uuid", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_uuid"], ["tenants.uuid"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant_uuid", "domain"),
        sa.UniqueConstraint("tenant_uuid", "id"),
    )
    op.create_table(
        "normalization_profiles",
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("country_code", sa.String(length=64), nullable=True),
        sa.Column("area_code", sa.String(length=64), nullable=True),
        sa.Column("intl_prefix", sa.String(length=64), nullable=True),
        sa.Column("ld_prefix", sa.String(length=64), nullable=True),
        sa.Column("always_ld", sa.Boolean(), nullable=False),
        sa.Column("always_intl_prefix_plus", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_uuid", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_uuid"], ["tenants.uuid"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant_uuid", "id"),
        sa.UniqueConstraint("tenant_uuid", "name"),
    )
    op.create_table(
        "carrier_trunks",
        sa.Column("carrier_id", sa.Integer(), nullable=False),
        sa.Column("normalization_profile_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("sip_proxy", sa.String(length=128), nullable=False),
        sa.Column("sip_proxy_port", sa.Integer(), nullable=False),
        sa.Column("ip_address", sa.String(length=256), nullable=True),
        sa.Column("registered", sa.Boolean(), nullable=False),
        sa.Column("auth_username", sa.String(length=64), nullable=True),
        sa.Column("auth_password", sa.Text(), nullable=True),
        sa.Column("realm", sa.String(length=64), nullable=True),
        sa.Column("registrar_proxy", sa.String(length=128), nullable=True),
        sa.Column("from_domain", sa.String(length=64), nullable=True),
        sa.Column("expire_seconds", sa.Integer(), nullable=False),
        sa.Column("retry_seconds", sa.Integer(), nullable=False),
        sa.Column("max_calls", sa.Integer(), nullable=True),
        sa.Column("max_cps", sa.Integer(), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_uuid", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_uuid", "carrier_id"],
            ["carriers.tenant_uuid", "carriers.id"],
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_uuid", "normalization_profile_id"],
            ["normalization_profiles.tenant_uuid", "normalization_profiles.id"],
            ondelete="SET NULL (normalization_profile_id)",
        ),
        sa.ForeignKeyConstraint(["tenant_uuid"], ["tenants.uuid"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant_uuid", "carrier_id", "name"),
        sa.UniqueConstraint("tenant_uuid", "id"),
    )
    op.create_table(
        "ipbx",
        sa.Column("domain_id", sa.Integer(), nullable=False),
        sa.Column("normalization_profile_id", sa.Integer(), nullable=True),
        sa.Column("customer", sa.Integer(), nullable=True),
        sa.Column("ip_fqdn", sa.String(length=256), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("ip_address", sa.String(length=256), nullable=True),
        sa.Column("registered", sa.Boolean(), nullable=False),
        sa.Column("username", sa.String(length=50), nullable=True),
        sa.Column("realm", sa.String(length=50), nullable=True),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("password_ha1", sa.Text(), nullable=True),
        sa.Column("realm_ha1", sa.Text(), nullable=True),
        sa.Column("max_calls", sa.Integer(), nullable=True),
        sa.Column("max_cps", sa.Integer(), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_uuid", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_uuid", "domain_id"], ["domains.tenant_uuid", "domains.id"], ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_uuid", "normalization_profile_id"],
            ["normalization_profiles.tenant_uuid", "normalization_profiles.id"],
            ondelete="SET NULL (normalization_profile_id)",
        ),
        sa.ForeignKeyConstraint(["tenant_uuid"], ["tenants.uuid"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant_uuid", "domain_id", "username"),
        sa.UniqueConstraint("tenant_uuid", "id"),
    )
    op.create_table(
        "normalization_rules",
        sa.Column("profile_id", sa.Integer(), nullable=False),
        sa.Column("rule_type", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("match_regex", sa.String(length=256), nullable=False),
        sa.Column("replace_regex", sa.String(length=256), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_uuid", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_uuid", "profile_id"],
            ["normalization_profiles.tenant_uuid", "normalization_profiles.id"],
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_uuid"], ["tenants.uuid"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("profile_id", "match_regex"),
    )
    op.create_index(
        "ix_normalization_rules_profile",
        "normalization_rules",
        ["tenant_uuid", "profile_id"],
        unique=False,
    )
    op.create_table(
        "dids",
        sa.Column("ipbx_id", sa.Integer(), nullable=False),
        sa.Column("carrier_trunk_id", sa.Integer(), nullable=False),
        sa.Column("did_regex", sa.String(length=256), nullable=True),
        sa.Column("did_prefix", sa.Text(), nullable=False),
        sa.Column("is_number", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_uuid", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_uuid", "carrier_trunk_id"],
            ["carrier_trunks.tenant_uuid", "carrier_trunks.id"],
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_uuid", "ipbx_id"], ["ipbx.tenant_uuid", "ipbx.id"], ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["tenant_uuid"], ["tenants.uuid"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant_uuid", "did_regex"),
    )
    op.create_index("ix_dids_ipbx", "dids", ["tenant_uuid", "ipbx_id"], unique=False)
    op.create_index("ix_dids_prefix", "dids", ["did_prefix"], unique=False)
    op.create_index("ix_dids_trunk", "dids", ["tenant_uuid", "carrier_trunk_id"], unique=False)
    op.create_table(
        "routing_rules",
        sa.Column("carrier_trunk_id", sa.Integer(), nullable=False),
        sa.Column("ipbx_id", sa.Integer(), nullable=False),
        sa.Column("prefix", sa.String(length=128), nullable=True),
        sa.Column("did_regex", sa.String(length=256), nullable=True),
        sa.Column("route_type", sa.String(length=10), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=True),
        sa.Column("weight", sa.Integer(), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_uuid", sa.Uuid(), nullable=False),
        sa.CheckConstraint("weight IS NULL OR weight > 0"),
        sa.ForeignKeyConstraint(
            ["tenant_uuid", "carrier_trunk_id"],
            ["carrier_trunks.tenant_uuid", "carrier_trunks.id"],
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_uuid", "ipbx_id"], ["ipbx.tenant_uuid", "ipbx.id"], ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["tenant_uuid"], ["tenants.uuid"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant_uuid", "id"),
    )
    op.create_table(
        "routing_groups",
        sa.Column("routing_rule_id", sa.Integer(), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_uuid", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_uuid", "routing_rule_id"],
            ["routing_rules.tenant_uuid", "routing_rules.id"],
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_uuid"], ["tenants.uuid"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_routing_groups_rule", "routing_groups", ["tenant_uuid", "routing_rule_id"], unique=False
    )


def downgrade() -> None:
    for table in (
        "routing_groups",
        "routing_rules",
        "dids",
        "normalization_rules",
        "ipbx",
        "carrier_trunks",
        "normalization_profiles",
        "domains",
        "cdrs",
        "carriers",
        "tenants",
    ):
        op.drop_table(table)

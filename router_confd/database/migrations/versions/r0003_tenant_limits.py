"""Tenants have limits, as PBXs and trunks do."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

COLUMNS = ("max_calls", "max_cps")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("tenants", sa.Column(name, sa.Integer(), nullable=True))


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_column("tenants", name)

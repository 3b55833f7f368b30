"""PBXs and trunks have a transport."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

TABLES = ("ipbx", "carrier_trunks")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("transport", sa.String(3), nullable=True))
        op.create_check_constraint(
            f"{table}_transport_check", table, "transport IN ('udp', 'tcp', 'tls')"
        )


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "transport")

"""Triggers announce every change of the configuration, also by cascades and manual SQL.

Payload on channel `router_confd`: `<table> <key>,<key>...`, or `<table> *` when there are too
many keys for one notification. The key is the row's id, its uuid (tenants), or its prefix (dids).
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

KEYS = {
    "tenants": "uuid",
    "domains": "id",
    "normalization_profiles": "id",
    "normalization_rules": "id",
    "ipbx": "id",
    "carriers": "id",
    "carrier_trunks": "id",
    "dids": "did_prefix",
    "routing_rules": "id",
    "routing_groups": "id",
}
ROWS = {
    "INSERT": ("REFERENCING NEW TABLE AS new_rows", "SELECT %1$I AS key FROM new_rows"),
    "DELETE": ("REFERENCING OLD TABLE AS old_rows", "SELECT %1$I AS key FROM old_rows"),
    "UPDATE": (
        "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
        "SELECT %1$I AS key FROM old_rows UNION SELECT %1$I FROM new_rows",
    ),
}
PAYLOAD_LIMIT = 7000  # bytes; PostgreSQL allows 7999


def upgrade() -> None:
    cases = "\n".join(f"      WHEN '{event}' THEN '{rows}'" for event, (_, rows) in ROWS.items())
    op.execute(f"""
CREATE FUNCTION router_confd_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  keys text;
BEGIN
  EXECUTE format(
    'SELECT string_agg(DISTINCT key::text, '','') FROM (' || CASE TG_OP
{cases}
    END || ') AS changed', TG_ARGV[0]) INTO keys;
  IF keys IS NOT NULL THEN
    IF octet_length(keys) > {PAYLOAD_LIMIT} THEN
      keys := '*';
    END IF;
    PERFORM pg_notify('router_confd', TG_TABLE_NAME || ' ' || keys);
  END IF;
  RETURN NULL;
END
$$""")
    for table, key in KEYS.items():
        for event, (referencing, _) in ROWS.items():
            op.execute(
                f"CREATE TRIGGER {table}_changed_{event.lower()} AFTER {event} ON {table} "
                f"{referencing} FOR EACH STATEMENT "
                f"EXECUTE FUNCTION router_confd_changed('{key}')"
            )


def downgrade() -> None:
    op.execute("DROP FUNCTION router_confd_changed() CASCADE")

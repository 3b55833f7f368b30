"""The tenant's database."""

from __future__ import annotations

from pydantic import Field

from settings.base import LogDays, Model


class Database(Model):
    """The tenant's PostgreSQL on RDS."""

    instance_class: str = Field(
        default="db.m6g.large",
        pattern=r"^db\.[a-z0-9-]{2,30}\.[a-z0-9-]{2,30}$",
        description="RDS instance class",
    )
    storage_gb: int = Field(
        default=50, ge=20, le=16384, description="allocated storage, GiB; grows up to four times it"
    )
    multi_az: bool = Field(default=True, description="standby in a second zone")
    backup_days: int = Field(default=14, ge=0, le=35, description="retention of backups, days")
    deletion_protection: bool = Field(default=True, description="refuse deletion by Terraform")
    final_snapshot: bool = Field(default=True, description="take a snapshot before deletion")
    log_days: LogDays = Field(default=90, description="retention of the database's log, days")

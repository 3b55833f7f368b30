"""The tenant's PostgreSQL on RDS."""

from __future__ import annotations

from collections.abc import Sequence

from cdktf_cdktf_provider_aws.cloudwatch_log_group import CloudwatchLogGroup
from cdktf_cdktf_provider_aws.db_instance import DbInstance
from cdktf_cdktf_provider_aws.db_parameter_group import (
    DbParameterGroup,
    DbParameterGroupParameter,
)
from cdktf_cdktf_provider_aws.db_subnet_group import DbSubnetGroup
from constructs import Construct

from common import ports
from common.names import DATABASE_NAME
from settings.database import Database as DatabaseSettings

VERSION = "17"
LOG = "postgresql"


class Database(Construct):
    """PostgreSQL: TLS only, encrypted, master password made and rotated by RDS."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        settings: DatabaseSettings,
        subnet_ids: Sequence[str],
        security_group_id: str,
        key: str,
    ) -> None:
        super().__init__(scope, id_)
        subnets = DbSubnetGroup(self, "subnets", name=name, subnet_ids=list(subnet_ids))
        parameters = DbParameterGroup(
            self,
            "parameters",
            name=name,
            family=f"postgres{VERSION}",
            parameter=[
                DbParameterGroupParameter(
                    name="rds.force_ssl", value="1", apply_method="pending-reboot"
                )
            ],
        )
        # RDS would make the log group by itself, but keep it for ever and unencrypted.
        log = CloudwatchLogGroup(
            self,
            "log",
            name=f"/aws/rds/instance/{name}/{LOG}",
            retention_in_days=settings.log_days,
            kms_key_id=key,
        )
        self._instance = DbInstance(
            self,
            "instance",
            identifier=name,
            engine="postgres",
            engine_version=VERSION,
            instance_class=settings.instance_class,
            db_name=DATABASE_NAME,
            username=DATABASE_NAME,
            manage_master_user_password=True,
            port=ports.POSTGRES.number,
            multi_az=settings.multi_az,
            publicly_accessible=False,
            db_subnet_group_name=subnets.name,
            vpc_security_group_ids=[security_group_id],
            parameter_group_name=parameters.name,
            storage_type="gp3",
            allocated_storage=settings.storage_gb,
            max_allocated_storage=settings.storage_gb * 4,
            storage_encrypted=True,
            kms_key_id=key,
            backup_retention_period=settings.backup_days,
            copy_tags_to_snapshot=True,
            deletion_protection=settings.deletion_protection,
            skip_final_snapshot=not settings.final_snapshot,
            final_snapshot_identifier=f"{name}-final" if settings.final_snapshot else None,
            auto_minor_version_upgrade=True,
            enabled_cloudwatch_logs_exports=[LOG],
            depends_on=[log],
        )

    @property
    def endpoint(self) -> str:
        """Host name of the primary."""
        return self._instance.address

"""Record of all connections of the VPC."""

from __future__ import annotations

from cdktf_cdktf_provider_aws.cloudwatch_log_group import CloudwatchLogGroup
from cdktf_cdktf_provider_aws.flow_log import FlowLog
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy
from constructs import Construct

from c4.account import Account
from c4.policy import Statement, document

SERVICE = "vpc-flow-logs.amazonaws.com"


class FlowLogs(Construct):
    """Flow logs in an encrypted log group, kept for `days`."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        account: Account,
        vpc_id: str,
        days: int,
        key: str,
    ) -> None:
        super().__init__(scope, id_)
        group = CloudwatchLogGroup(
            self, "group", name=f"/{name}/flow-logs", retention_in_days=days, kms_key_id=key
        )
        trust = Statement(
            sid="FlowLogsOfThisAccount",
            actions=["sts:AssumeRole"],
            resources=[],
            service=SERVICE,
            where={"aws:SourceAccount": account.id},
        )
        role = IamRole(
            self,
            "role",
            name=f"{name}-flow-logs",
            assume_role_policy=document(self, "trust", [trust]),
        )
        write = Statement(
            sid="WriteToTheGroup",
            actions=[
                "logs:CreateLogStream",
                "logs:PutLogEvents",
                "logs:DescribeLogStreams",
            ],
            resources=[group.arn, f"{group.arn}:*"],
        )
        IamRolePolicy(
            self,
            "write",
            name="write-flow-logs",
            role=role.name,
            policy=document(self, "permissions", [write]),
        )
        FlowLog(
            self,
            "log",
            vpc_id=vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            max_aggregation_interval=60,
            tags={"Name": name},
        )

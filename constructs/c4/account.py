"""The AWS account that a stack is deployed to, and ARNs inside it."""

from __future__ import annotations

from cdktf_cdktf_provider_aws.data_aws_caller_identity import DataAwsCallerIdentity
from cdktf_cdktf_provider_aws.data_aws_partition import DataAwsPartition
from constructs import Construct


class Account(Construct):
    """Account and partition, looked up when Terraform runs."""

    def __init__(self, scope: Construct, id_: str, *, region: str) -> None:
        super().__init__(scope, id_)
        self.region = region
        self._identity = DataAwsCallerIdentity(self, "identity")
        self._partition = DataAwsPartition(self, "partition")

    @property
    def id(self) -> str:
        """Number of the account."""
        return self._identity.account_id

    @property
    def root(self) -> str:
        """ARN of the account itself, as a principal."""
        return f"arn:{self._partition.partition}:iam::{self._identity.account_id}:root"

    def arn(self, service: str, resource: str) -> str:
        """ARN of a regional resource of this account."""
        owner = f"{self.region}:{self._identity.account_id}"
        return f"arn:{self._partition.partition}:{service}:{owner}:{resource}"

    def s3(self, bucket: str, key: str = "") -> str:
        """ARN of a bucket, or of an object in it."""
        place = f"{bucket}/{key}" if key else bucket
        return f"arn:{self._partition.partition}:s3:::{place}"

    def managed_policy(self, name: str) -> str:
        """ARN of a policy that AWS maintains."""
        return f"arn:{self._partition.partition}:iam::aws:policy/{name}"

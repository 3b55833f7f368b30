"""A bucket for what the deployment itself needs."""

from __future__ import annotations

from cdktf_cdktf_provider_aws.s3_bucket import S3Bucket
from cdktf_cdktf_provider_aws.s3_bucket_lifecycle_configuration import (
    S3BucketLifecycleConfiguration,
    S3BucketLifecycleConfigurationRule,
    S3BucketLifecycleConfigurationRuleFilter,
    S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration,
)
from cdktf_cdktf_provider_aws.s3_bucket_public_access_block import S3BucketPublicAccessBlock
from cdktf_cdktf_provider_aws.s3_bucket_server_side_encryption_configuration import (
    S3BucketServerSideEncryptionConfigurationA,
    S3BucketServerSideEncryptionConfigurationRuleA,
    S3BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultA,
)
from cdktf_cdktf_provider_aws.s3_bucket_versioning import (
    S3BucketVersioningA,
    S3BucketVersioningVersioningConfiguration,
)
from constructs import Construct

KEEP_OLD_DAYS = 30


class PrivateBucket(Construct):
    """A private, versioned bucket, encrypted by the deployment's key.

    With `expire_old` a version is deleted a month after a newer one came.
    """

    def __init__(
        self, scope: Construct, id_: str, *, name: str, key: str, expire_old: bool
    ) -> None:
        super().__init__(scope, id_)
        self._bucket = S3Bucket(self, "bucket", bucket=name)
        S3BucketPublicAccessBlock(
            self,
            "private",
            bucket=self.name,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
        )
        by_key = S3BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultA(
            sse_algorithm="aws:kms", kms_master_key_id=key
        )
        S3BucketServerSideEncryptionConfigurationA(
            self,
            "encryption",
            bucket=self.name,
            rule=[
                S3BucketServerSideEncryptionConfigurationRuleA(
                    apply_server_side_encryption_by_default=by_key, bucket_key_enabled=True
                )
            ],
        )
        versioning = S3BucketVersioningA(
            self,
            "versioning",
            bucket=self.name,
            versioning_configuration=S3BucketVersioningVersioningConfiguration(status="Enabled"),
        )
        if expire_old:
            self._expire_old(versioning)

    def _expire_old(self, versioning: S3BucketVersioningA) -> None:
        S3BucketLifecycleConfiguration(
            self,
            "expiry",
            bucket=self.name,
            rule=[
                S3BucketLifecycleConfigurationRule(
                    id="old-versions",
                    status="Enabled",
                    filter=[S3BucketLifecycleConfigurationRuleFilter(prefix="")],
                    noncurrent_version_expiration=[
                        S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration(
                            noncurrent_days=KEEP_OLD_DAYS
                        )
                    ],
                )
            ],
            depends_on=[versioning],
        )

    @property
    def name(self) -> str:
        return self._bucket.bucket

    @property
    def arn(self) -> str:
        return self._bucket.arn

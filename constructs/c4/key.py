"""The deployment's encryption key."""

from __future__ import annotations

from cdktf_cdktf_provider_aws.kms_alias import KmsAlias
from cdktf_cdktf_provider_aws.kms_key import KmsKey
from constructs import Construct

from c4.account import Account
from c4.policy import Statement, document


class EncryptionKey(Construct):
    """A rotated key for secrets, databases and logs of the deployment."""

    def __init__(self, scope: Construct, id_: str, *, name: str, account: Account) -> None:
        super().__init__(scope, id_)
        administration = Statement(
            sid="AccountDecidesByItsIamPolicies",
            actions=["kms:*"],
            resources=["*"],  # in a key's policy: this key
            account=account.root,
        )
        logs = Statement(
            sid="CloudWatchLogsOfThisAccount",
            actions=["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"],
            resources=["*"],
            service=f"logs.{account.region}.amazonaws.com",
            where_like={"kms:EncryptionContext:aws:logs:arn": account.arn("logs", "log-group:*")},
        )
        self._key = KmsKey(
            self,
            "key",
            description=f"{name}: secrets, databases, logs",
            enable_key_rotation=True,
            deletion_window_in_days=30,
            policy=document(self, "policy", [administration, logs]),
        )
        KmsAlias(self, "alias", name=f"alias/{name}", target_key_id=self._key.key_id)

    @property
    def arn(self) -> str:
        return self._key.arn

"""A secret whose value Terraform never sees."""

from __future__ import annotations

from cdktf_cdktf_provider_aws.secretsmanager_secret import SecretsmanagerSecret
from constructs import Construct


class Secret(Construct):
    """An empty entry in Secrets Manager; an instance generates the value at its first boot."""

    def __init__(self, scope: Construct, id_: str, *, name: str, purpose: str, key: str) -> None:
        super().__init__(scope, id_)
        self._secret = SecretsmanagerSecret(
            self, "secret", name=name, description=purpose, kms_key_id=key
        )

    @property
    def arn(self) -> str:
        return self._secret.arn

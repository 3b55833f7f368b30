"""What every Terraform stack of a deployment has: provider, tags, state."""

from __future__ import annotations

from cdktf import LocalBackend, S3Backend, TerraformBackend, TerraformRemoteState, TerraformStack
from cdktf_cdktf_provider_aws.provider import (
    AwsProvider,
    AwsProviderDefaultTags,
    AwsProviderIgnoreTags,
)
from constructs import Construct

from c4 import provider
from c4.account import Account
from common.names import TAG_DEPLOYMENT, TAG_HELD, TAG_TENANT
from settings.deployment import Deployment


class DeploymentStack(TerraformStack):
    """A stack with state of its own; everything in it is tagged with its owner."""

    def __init__(
        self, scope: Construct, id_: str, *, deployment: Deployment, tenant: str | None = None
    ) -> None:
        super().__init__(scope, id_)
        self.deployment = deployment
        tags = {TAG_DEPLOYMENT: deployment.deployment}
        if tenant is not None:
            tags[TAG_TENANT] = tenant
        AwsProvider(
            self,
            "aws",
            region=deployment.region,
            ignore_tags=[AwsProviderIgnoreTags(keys=[TAG_HELD])],  # the instances' own
            default_tags=[AwsProviderDefaultTags(tags=tags)],
        )
        self.add_override("terraform.required_version", ">= 1.10")  # S3 lock files
        provider.require(self)
        self._backend = _backend(self, id_, deployment)
        self.account = Account(self, "account", region=deployment.region)

    def outputs_for(self, reader: TerraformStack) -> TerraformRemoteState:
        """Outputs of this stack, as `reader` finds them in its state; orders the two stacks."""
        reader.add_dependency(self)
        return self._backend.get_remote_state_data_source(
            reader, f"{self.node.id}_state", self.node.id
        )


def _backend(stack: TerraformStack, id_: str, deployment: Deployment) -> TerraformBackend:
    state = deployment.state
    name = deployment.deployment
    if state is None:
        # Terraform runs in <output>/stacks/<stack>/; the state lies beside <output>.
        return LocalBackend(stack, path=f"../../../terraform.{name}.{id_}.tfstate")
    backend = S3Backend(
        stack,
        bucket=state.bucket,
        key=f"{state.prefix}/{name}/{id_}.tfstate",
        region=state.region or deployment.region,
        encrypt=True,
    )
    backend.add_override("use_lockfile", True)  # newer than CDKTF's bindings
    return backend

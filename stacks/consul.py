"""The Consul servers that all tenants of a deployment share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf import TerraformOutput, TerraformStack
from constructs import Construct

from c4 import ports
from c4.alarms import GroupAlarms
from c4.instances import permissions
from c4.instances.bundle import BundleObject, BundlePlace
from c4.instances.group import Capacity, InstanceGroup, Lifecycle
from c4.instances.image import MachineImage
from c4.instances.launch_template import LaunchTemplate
from c4.instances.role import InstanceRole
from c4.instances.security_group import ANYWHERE, SecurityGroup
from c4.policy import Statement
from c4.secret import Secret
from c4.stack import DeploymentStack
from common.names import TAG_CONSUL, TAG_DEPLOYMENT, TAG_ROLE, resource_name, secret_name
from common.topology import CONSUL_SERVER, Segment
from rendering import user_data
from settings.deployment import Deployment
from stacks.network import NetworkStack

STACK = "consul"
LIFECYCLE = Lifecycle(launch_s=600, drain_s=120)  # a server leaves in seconds


@dataclass(frozen=True)
class ConsulOutputs:
    """Outputs of this stack that tenants' stacks read."""

    member_group_id: str  # security group of every instance that runs a Consul agent
    agent_secret: str  # ARN of what every Consul agent needs to join


class ConsulStack(DeploymentStack):
    """One server per zone (or more), which find each other by tag."""

    def __init__(self, scope: Construct, *, deployment: Deployment, network: NetworkStack) -> None:
        super().__init__(scope, STACK, deployment=deployment)
        self.name = resource_name(deployment.deployment, CONSUL_SERVER)
        self.network = network.read_from(self)
        self.agent_secret = self._secret("agent", "gossip key and CA of every Consul agent")
        self.server_secret = self._secret("server", "CA key and tokens of the Consul servers")
        self._security_groups()
        self.group = self._servers()
        self._outputs()

    def _secret(self, part: str, purpose: str) -> Secret:
        name = secret_name(self.deployment.deployment, CONSUL_SERVER, part)
        return Secret(self, f"{part}_secret", name=name, purpose=purpose, key=self.network.key)

    def _security_groups(self) -> None:
        self.members = self._security_group("members", "Every instance that runs a Consul agent")
        self.servers = self._security_group("servers", "Consul servers")
        for port in ports.CONSUL_GOSSIP:
            self.members.reach(self.members, port, "gossip among all Consul agents")
        self.members.reach(self.servers, ports.CONSUL_RPC, "Consul agents to Consul servers")
        self.members.allow_to(ANYWHERE, ports.HTTPS, "APIs of AWS")

    def _security_group(self, part: str, purpose: str) -> SecurityGroup:
        return SecurityGroup(
            self,
            part,
            name=f"{self.name}-{part}",
            purpose=purpose,
            vpc_id=self.network.vpc_id,
        )

    def _servers(self) -> InstanceGroup:
        settings = self.deployment.consul
        tags = {
            TAG_DEPLOYMENT: self.deployment.deployment,
            TAG_ROLE: CONSUL_SERVER,
            TAG_CONSUL: self.deployment.deployment,
        }
        data = user_data.for_consul_server(self.deployment)
        bundle = BundlePlace(
            bucket=self.network.files_bucket,
            object_key=data.bundle.key,
            content=data.bundle.encoded,
            encryption_key=self.network.key,
        )
        role = self._role(permissions.read_bundle(bundle, account=self.account))
        files = BundleObject(self, "files", place=bundle)
        template = LaunchTemplate(
            self,
            "template",
            name=self.name,
            image_id=MachineImage(self, "image", settings=self.deployment.image).id,
            instance_type=settings.instance_type,
            disk_gb=settings.disk_gb,
            user_data=data.encoded,
            profile_name=role.profile_name,
            security_group_ids=[self.members.id, self.servers.id],
            tags=tags,
            detailed_monitoring=self.deployment.detailed_monitoring,
            after=[files.part],
        )
        if self.deployment.alarm_topic is not None:
            GroupAlarms(
                self,
                "alarms",
                topic=self.deployment.alarm_topic,
                group=self.name,
                min_size=settings.servers,
                max_size=settings.servers,
            )
        return InstanceGroup(
            self,
            "group",
            name=self.name,
            template=template,
            role=role,
            subnet_ids=self.network.subnet_ids[Segment.INTERNAL],
            capacity=Capacity(settings.servers, settings.servers, settings.servers),
            lifecycle=LIFECYCLE,
            tags=tags,
        )

    def _role(self, more: Sequence[Statement]) -> InstanceRole:
        account, key = self.account, self.network.key
        tenants = secret_name(self.deployment.deployment, "*", CONSUL_SERVER, "*")
        secrets = [
            self.agent_secret.arn,
            self.server_secret.arn,
            # Their agents' tokens. The pattern matches the bare name too, by which AWS judges a
            # secret that is gone. Else the answer is "denied", and no tenant is ever forgotten.
            account.arn("secretsmanager", f"secret:{tenants}"),
        ]
        statements = [
            *permissions.every_instance(account, group=self.name),
            *permissions.read_secrets(secrets, key=key, account=account),
            *permissions.create_secret_values(secrets, key=key, account=account),
            *permissions.list_secrets(),
            *more,
        ]
        return InstanceRole(self, "role", name=self.name, statements=statements)

    def _outputs(self) -> None:
        TerraformOutput(self, "group_name", static_id=True, value=self.group.name)
        TerraformOutput(self, "member_group_id", static_id=True, value=self.members.id)
        TerraformOutput(self, "agent_secret_arn", static_id=True, value=self.agent_secret.arn)

    def read_from(self, reader: TerraformStack) -> ConsulOutputs:
        """This cluster's ids, as tokens that `reader` looks up in this stack's state."""
        state = self.outputs_for(reader)
        return ConsulOutputs(
            member_group_id=state.get_string("member_group_id"),
            agent_secret=state.get_string("agent_secret_arn"),
        )

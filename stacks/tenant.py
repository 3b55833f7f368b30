"""One tenant: the path of a call, from the carrier to the database."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network

from cdktf import TerraformOutput
from constructs import Construct

from c4 import ports
from c4.alarms import DatabaseAlarms
from c4.database import Database
from c4.instances import permissions
from c4.instances.bundle import BundlePlace
from c4.instances.image import MachineImage
from c4.instances.security_group import ANYWHERE, SecurityGroup
from c4.policy import Statement
from c4.secret import Secret
from c4.sip_dns import SipName
from c4.stack import DeploymentStack
from c4.tier import TierGroup
from common.names import SBC_TLS, resource_name, secret_name
from common.topology import CONSUL_SERVER, Segment, Tier
from rendering import user_data
from settings.deployment import Deployment
from settings.tenant import Tenant
from stacks.consul import ConsulStack
from stacks.network import NetworkStack


class TenantStack(DeploymentStack):
    """SBC, router, rtpengine and router-confd groups, and the database."""

    def __init__(
        self,
        scope: Construct,
        *,
        deployment: Deployment,
        tenant: Tenant,
        network: NetworkStack,
        consul: ConsulStack,
    ) -> None:
        super().__init__(scope, tenant.name, deployment=deployment, tenant=tenant.name)
        self.tenant = tenant
        self.name = resource_name(deployment.deployment, tenant.name)
        self.network = network.read_from(self)
        self.consul = consul.read_from(self)
        self.image_id = MachineImage(self, "image", settings=deployment.image).id

        self.sbc_tls_secret = self._secret(SBC_TLS, purpose="certificate and key of the SBCs")
        self.sbc = self._tier(Tier.SBC, secrets=[self.sbc_tls_secret])
        self.router = self._tier(Tier.ROUTER)
        self.rtp = self._tier(Tier.RTP)
        self.router_confd_secret = self._secret(
            Tier.ROUTER_CONFD, purpose="API key and encryption key"
        )
        self.router_confd = self._tier(
            Tier.ROUTER_CONFD, secrets=[self.router_confd_secret], may=self._use_database()
        )
        self.database = self._database()

        self._call_path()
        self._sip_name()
        self._alarms()
        self._outputs()

    def _call_path(self) -> None:
        sbc, router, rtp = self.sbc.firewall, self.router.firewall, self.rtp.firewall
        router_confd, database = self.router_confd.firewall, self.database_firewall
        for port in ports.SIP:
            sbc.allow_from(ANYWHERE, port, "SIP from carriers and PBXs")
        for port in ports.SIP_ELSEWHERE:
            sbc.allow_to(ANYWHERE, port, "SIP to carriers and PBXs")
        sbc.reach(sbc, ports.DMQ, "state shared by SBCs")

        sbc.reach(router, ports.SIP_INTERNAL, "calls to be routed")
        router.reach(sbc, ports.SIP_INTERNAL, "calls on their way out")
        router.reach(router, ports.DMQ, "state shared by routers")

        router.reach(rtp, ports.NG_CONTROL, "control of media")
        rtp.allow_from(ANYWHERE, ports.RTP, "media from carriers and PBXs")
        rtp.allow_to(ANYWHERE, ports.RTP_ELSEWHERE, "media to carriers and PBXs")

        if (homer := self.tenant.sip.capture.homer_target) is not None:
            server, capture = IPv4Network(homer[0]), ports.Port("udp", homer[1])
            for firewall in (sbc, router):
                firewall.allow_to(server, capture, "capture of SIP (Homer)")

        router.reach(router_confd, ports.LOOKUP, "routing, authentication, call records")
        for source in self.tenant.api_sources:
            router_confd.allow_from(source, ports.MANAGEMENT_API, "management API")
        router_confd.reach(database, ports.POSTGRES, "routing data")

        for group in (self.sbc, self.router, self.rtp):
            for source in self.deployment.metrics_sources:
                group.firewall.allow_from(source, ports.METRICS[group.tier], "metrics")

    def _tier(
        self, tier: Tier, *, secrets: Sequence[Secret] = (), may: Sequence[Statement] = ()
    ) -> TierGroup:
        """One tier's group. Its instances create the values of `secrets`."""
        token = self._secret(CONSUL_SERVER, tier, purpose="token of the tier's Consul agents")
        arns, key = [secret.arn for secret in secrets], self.network.key
        statements = [
            *permissions.read_secrets(
                [self.consul.agent_secret, token.arn, *arns],
                key=key,
                account=self.account,
            ),
            *may,
        ]
        if arns:
            statements += permissions.create_secret_values(arns, key=key, account=self.account)
        data = user_data.for_tier(self.deployment, self.tenant, tier)
        return TierGroup(
            self,
            tier.value,
            tier=tier,
            deployment=self.deployment,
            tenant=self.tenant,
            account=self.account,
            vpc_id=self.network.vpc_id,
            subnet_ids=self.network.subnet_ids[tier.segment],
            consul_group_id=self.consul.member_group_id,
            image_id=self.image_id,
            user_data=data.encoded,
            bundle=BundlePlace(
                bucket=self.network.files_bucket,
                object_key=data.bundle.key,
                content=data.bundle.encoded,
                encryption_key=key,
            ),
            may=statements,
        )

    def _secret(self, *parts: str, purpose: str) -> Secret:
        name = secret_name(self.deployment.deployment, self.tenant.name, *parts)
        id_ = "_".join((*parts, "secret"))
        return Secret(self, id_, name=name, purpose=purpose, key=self.network.key)

    def _use_database(self) -> list[Statement]:
        return permissions.find_database(self.account, identifier=self.name)

    def _database(self) -> Database:
        self.database_firewall = SecurityGroup(
            self,
            "database_firewall",
            name=f"{self.name}-database",
            purpose="PostgreSQL",
            vpc_id=self.network.vpc_id,
        )
        return Database(
            self,
            "database",
            name=self.name,
            settings=self.tenant.database,
            subnet_ids=self.network.subnet_ids[Segment.DATA],
            security_group_id=self.database_firewall.id,
            key=self.network.key,
        )

    def _sip_name(self) -> None:
        if self.tenant.dns is not None:
            SipName(
                self,
                "sip_name",
                settings=self.tenant.dns,
                addresses=self.sbc.public_ips,
            )

    def _alarms(self) -> None:
        if self.deployment.alarm_topic is not None:
            DatabaseAlarms(
                self,
                "database_alarms",
                topic=self.deployment.alarm_topic,
                instance=self.name,
                storage_gb=self.tenant.database.storage_gb,
            )

    def _outputs(self) -> None:
        tiers = (self.sbc, self.router, self.rtp, self.router_confd)
        groups = {group.tier.value: group.name for group in tiers}
        TerraformOutput(
            self,
            "sbc_addresses",
            static_id=True,
            value=self.sbc.public_ips,
            description="addresses to give to carriers and PBXs",
        )
        TerraformOutput(
            self,
            "rtp_addresses",
            static_id=True,
            value=self.rtp.public_ips,
            description="addresses that media comes from",
        )
        TerraformOutput(
            self,
            "groups",
            static_id=True,
            value=groups,
            description="autoscaling group of each tier",
        )
        TerraformOutput(
            self,
            "database_endpoint",
            static_id=True,
            value=self.database.endpoint,
            description="host name of PostgreSQL's primary",
        )

"""A tier of a tenant, with everything that its instances need."""

from __future__ import annotations

from collections.abc import Sequence

from constructs import Construct

from c4.account import Account
from c4.addresses import AddressPool
from c4.alarms import GroupAlarms
from c4.instances import permissions
from c4.instances.bundle import BundleObject, BundlePlace
from c4.instances.group import Capacity, InstanceGroup, Lifecycle
from c4.instances.launch_template import LaunchTemplate
from c4.instances.role import InstanceRole
from c4.instances.scaling import ScaleOnCalls, ScaleOnCpu
from c4.instances.security_group import SecurityGroup
from c4.policy import Statement
from common.names import TAG_DEPLOYMENT, TAG_ROLE, TAG_TENANT, resource_name
from common.topology import Tier
from settings.deployment import Deployment
from settings.tenant import Tenant
from settings.tiers import CallTierSize

LAUNCH_S = 600
LAUNCH_WITH_DATABASE_S = 3600  # a new Multi-AZ database takes RDS half an hour
DRAIN_REQUESTS_S = 60
CPU_PERCENT = 60


class TierGroup(Construct):
    """Firewall, role, launch template, autoscaling group, scaling, Elastic IPs of one tier.

    `may` is what its instances may do beyond what every instance may. `bundle` has their
    files.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        tier: Tier,
        deployment: Deployment,
        tenant: Tenant,
        account: Account,
        vpc_id: str,
        subnet_ids: Sequence[str],
        consul_group_id: str,
        image_id: str,
        user_data: str,
        bundle: BundlePlace,
        may: Sequence[Statement],
    ) -> None:
        super().__init__(scope, id_)
        self.tier = tier
        self.name = name = resource_name(deployment.deployment, tenant.name, tier)
        size = tenant.size(tier)
        tags = {
            TAG_DEPLOYMENT: deployment.deployment,
            TAG_TENANT: tenant.name,
            TAG_ROLE: tier.value,
        }
        statements = [
            *permissions.every_instance(account, group=name),
            *permissions.report_bad_health(account, group=name),
            *permissions.read_bundle(bundle, account=account),
            *may,
        ]
        if isinstance(size, CallTierSize):
            statements += permissions.publish_metrics(deployment.deployment)
        self.public_ips: list[str] = []
        if tier.has_public_address and isinstance(size, CallTierSize):
            count = size.max + size.spare_addresses
            pool = AddressPool(self, "addresses", name=name, count=count, tags=tags)
            self.public_ips = pool.public_ips
            statements += permissions.claim_address(account, tags=tags)

        self.firewall = SecurityGroup(
            self, "firewall", name=name, purpose=f"{tier} instances of {tenant.name}", vpc_id=vpc_id
        )
        role = InstanceRole(self, "role", name=name, statements=statements)
        files = BundleObject(self, "files", place=bundle)
        template = LaunchTemplate(
            self,
            "template",
            name=name,
            image_id=image_id,
            instance_type=size.instance_type,
            disk_gb=size.disk_gb,
            user_data=user_data,
            profile_name=role.profile_name,
            security_group_ids=[self.firewall.id, consul_group_id],
            tags=tags,
            detailed_monitoring=deployment.detailed_monitoring,
            after=[files.part],
        )
        group = InstanceGroup(
            self,
            "group",
            name=name,
            template=template,
            role=role,
            subnet_ids=subnet_ids,
            capacity=Capacity(min=size.min, max=size.max, initial=size.initial),
            lifecycle=_lifecycle(tenant, tier),
            tags=tags,
        )
        if deployment.alarm_topic is not None:
            GroupAlarms(
                self,
                "alarms",
                topic=deployment.alarm_topic,
                group=name,
                min_size=size.min,
                max_size=size.max,
            )
        if isinstance(size, CallTierSize):
            ScaleOnCalls(
                self,
                "scaling",
                group=group.name,
                deployment=deployment.deployment,
                calls_per_instance=size.calls_per_instance,
            )
        else:
            ScaleOnCpu(self, "scaling", group=group.name, percent=CPU_PERCENT)


def _lifecycle(tenant: Tenant, tier: Tier) -> Lifecycle:
    size = tenant.size(tier)
    return Lifecycle(
        launch_s=LAUNCH_WITH_DATABASE_S if tier is Tier.ROUTER_CONFD else LAUNCH_S,
        drain_s=size.drain_s if isinstance(size, CallTierSize) else DRAIN_REQUESTS_S,
    )

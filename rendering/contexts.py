"""Context of the Kamailio templates."""

from __future__ import annotations

from dataclasses import dataclass

from common import cdr, kamailio, names, paths
from common.topology import Segment, Tier
from rendering import tables, variables
from rendering.tables import Declaration
from rendering.timers import LOOKUP_TRIES, RTPENGINE_TRIES, Timers
from rendering.variables import SharedDeclaration
from settings.deployment import Deployment
from settings.limits import Limits
from settings.network import Network
from settings.sip import DispatchAlgorithm, Sip
from settings.tenant import Tenant
from settings.tiers import KamailioSize

# Free shared memory, in percent: below the second some new calls are refused, below the first all.
FREE_MEMORY = {Tier.SBC: (10, 25), Tier.ROUTER: (25, 40)}
# Forward secrecy and authenticated encryption only; TLS 1.3 has nothing else.
TLS_CIPHERS = (
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
    "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
)
PUBLIC_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
TITLES = {Tier.SBC: "Session border controller", Tier.ROUTER: "Router"}


@dataclass(frozen=True)
class Workers:
    """Processes of Kamailio."""

    udp: int  # per socket
    tcp: int
    lookup: int  # those that ask router-confd

    @classmethod
    def of(cls, size: KamailioSize) -> Workers:
        """As many of each as UDP has, but two at least."""
        return cls(size.workers, max(2, size.workers), max(2, size.workers))


@dataclass(frozen=True)
class Networks:
    """Address ranges whose packets a node considers part of its own deployment."""

    vpc: str  # every address inside
    own: str  # addresses that peers of the tier may have
    sbc: str  # addresses that SBCs may have

    @classmethod
    def of(cls, network: Network, tier: Tier) -> Networks:
        """Ranges for a tier that runs Kamailio."""
        of_segment = {
            Segment.EDGE: str(network.segments.edge),
            Segment.INTERNAL: str(network.segments.internal),
        }
        return cls(str(network.cidr), of_segment[tier.segment], of_segment[Tier.SBC.segment])


@dataclass(frozen=True)
class Dispatcher:
    """How an SBC chooses a router, and how it fails over to another one."""

    algorithm: int
    call_load: bool  # choose the router with the fewest calls
    set_new: int = kamailio.DISPATCHER_SET_NEW  # routers that take new calls
    set_all: int = kamailio.DISPATCHER_SET_ALL  # routers for requests within dialogs
    set_last: int = kamailio.DISPATCHER_SET_LAST  # the same, but never probed
    takeovers_per_tick: int = 90  # requests and refusals of a dead router, each tenth of a second

    @classmethod
    def of(cls, algorithm: DispatchAlgorithm) -> Dispatcher:
        """The parameters for a value of the setting `sip.dispatch`."""
        return cls(algorithm.kamailio_id, algorithm is DispatchAlgorithm.CALL_LOAD)


@dataclass(frozen=True)
class Lookup:
    """How a router sends routing requests to router-confd."""

    tries: int = LOOKUP_TRIES  # instances that it asks about one call


@dataclass(frozen=True)
class Media:
    """How a router commands rtpengines."""

    tries: int = RTPENGINE_TRIES  # times that it sends a command
    set_moved: int = kamailio.RTPENGINE_SET_MOVED  # for calls whose rtpengine died


@dataclass(frozen=True)
class TlsProfile:
    """Parameters that the server's and the client's TLS profile share."""

    authorities: str  # file of trusted authorities
    ciphers: str = TLS_CIPHERS  # OpenSSL's list, TLS 1.2

    @classmethod
    def of(cls, sip: Sip) -> TlsProfile:
        """With the authorities of the settings, else with the public ones."""
        return cls(str(paths.OWN_AUTHORITIES) if sip.tls.authorities else PUBLIC_AUTHORITIES)


@dataclass(frozen=True)
class Admission:
    """When a node refuses new calls."""

    free_memory: tuple[int, int]  # percent: all below the first, some below the second
    # Between refusing the first and all calls. Simulated at twice the capacity, 100 ms carry 96 to
    # 98 % of what is possible, as three times `sip.overload.queue_wait_ms` do, with half of the
    # wait.
    span_ms: int = 100
    # What an SBC sets aside of its memory for each call of the last seconds: one has taken 53 KiB
    # when it is answered, and some 115 when it ends soon after, before the first is given back
    # (measured). All of it, because the figure of what is free may be a second old.
    recent_call_kib: int = 115
    recent_s: int = 3


@dataclass(frozen=True)
class CallLimits:
    """Limits of calls for which router-confd sets none."""

    # By the kind that begins a limit's key in router-confd's answers: kind, calls, calls per
    # second; only those that limit.
    defaults: tuple[tuple[str, int | None, int | None], ...]
    most_routers: int

    @classmethod
    def of(cls, limits: Limits, most_routers: int) -> CallLimits:
        """The limits of the settings, for a tier of at most so many routers."""
        kinds = (
            ("tenant", limits.tenant_calls, limits.tenant_calls_per_s),
            ("ipbx", limits.pbx_calls, limits.pbx_calls_per_s),
            ("carrier_trunk", limits.trunk_calls, limits.trunk_calls_per_s),
        )
        return cls(tuple(kind for kind in kinds if any(kind[1:])), most_routers)


@dataclass(frozen=True)
class Records:
    """How a router delivers call records to router-confd."""

    text: int = cdr.TEXT_LENGTH
    queued: int = 10_000
    # Size of one request, which one record (3 KiB) may exceed; router-confd accepts 64 KiB.
    list_bytes: int = 30_000
    interval_s: int = 2  # between rounds that send unconfirmed records again
    round: int = 90  # records that one round sends again
    replicated_limit: int = 20_000  # records of other routers that a router keeps, about
    replicated_round: int = 500
    orphaned_s: int = 20  # age at which a record's own router would have delivered it
    refused_rounds: int = 8  # between attempts for a record whose tenant router-confd lacks
    tries: int = 40  # attempts for such a record: ten minutes


@dataclass(frozen=True)
class ConsulNames:
    """Names that the templates of the lists look up in Consul."""

    service: str  # of the own tier
    router_service: str
    rtp_service: str
    router_confd_service: str
    sources_key: str

    @classmethod
    def of(cls, tenant: str, tier: Tier) -> ConsulNames:
        """Names of a tenant, as a tier sees them."""
        return cls(
            service=names.service_name(tenant, tier),
            router_service=names.service_name(tenant, Tier.ROUTER),
            rtp_service=names.service_name(tenant, Tier.RTP),
            router_confd_service=names.service_name(tenant, Tier.ROUTER_CONFD),
            sources_key=names.provisioned_sources_key(tenant),
        )


@dataclass(frozen=True)
class KamailioContext:
    """Variables of the templates under `kamailio/`, for one tier of one tenant."""

    tier: str
    title: str
    tenant: str
    name: str  # logical host name of the tier, which is never resolved
    sip: Sip
    timers: Timers
    workers: Workers
    networks: Networks
    node_id_step: int
    dispatcher: Dispatcher
    lookup: Lookup
    media: Media
    tls: TlsProfile
    admission: Admission
    limits: CallLimits
    records: Records
    consul: ConsulNames
    tables: tuple[Declaration, ...]
    shared_variables: tuple[SharedDeclaration, ...]

    @classmethod
    def of(cls, deployment: Deployment, tenant: Tenant, tier: Tier) -> KamailioContext:
        """Context of a tier that runs Kamailio; any other tier is a `ValueError`."""
        size = tenant.size(tier)
        if not isinstance(size, KamailioSize):
            raise ValueError(f"tier: {tier} runs no Kamailio; sbc and router do")
        timers = Timers(tenant.sip, tier)
        dispatcher = Dispatcher.of(tenant.sip.dispatch)
        return cls(
            tier=tier.value,
            title=TITLES[tier],
            tenant=tenant.name,
            name=names.record_route_name(tenant.name, tier),
            sip=tenant.sip,
            timers=timers,
            workers=Workers.of(size),
            networks=Networks.of(deployment.network, tier),
            node_id_step=kamailio.NODE_ID_STEP,
            dispatcher=dispatcher,
            lookup=Lookup(),
            media=Media(),
            tls=TlsProfile.of(tenant.sip),
            admission=Admission(FREE_MEMORY[tier]),
            limits=CallLimits.of(tenant.limits, tenant.router.max),
            records=Records(),
            consul=ConsulNames.of(tenant.name, tier),
            tables=tables.declared(tier, timers, call_load=dispatcher.call_load),
            shared_variables=variables.declared(tier, tenant.sip),
        )

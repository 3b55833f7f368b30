"""The Kamailio files of an instance."""

from __future__ import annotations

from typing import Final

from common.topology import Tier
from rendering.contexts import OWN_AUTHORITIES, KamailioContext
from rendering.files import File
from rendering.templates import render
from settings.deployment import Deployment
from settings.tenant import Tenant

# Lists that consul-template renders from the catalogue and `c4-agent apply` hands to Kamailio.
LISTS: Final[dict[Tier, tuple[str, ...]]] = {
    Tier.SBC: ("draining-routers", "dispatcher.list", "dmq", "provisioned-sources"),
    Tier.ROUTER: ("rtpengine", "router-confd", "dmq"),
}
# What Kamailio finds at its first start, before any list was rendered: empty tables.
_RTPENGINE = "id(int,auto) setid(int) url(string) weight(int) disabled(int) stamp(int)\n"
_HTABLE = (
    "id(int,auto) key_name(string) key_type(int) value_type(int) key_value(string) expires(int)\n"
)
_VERSIONS = "id(int,auto) table_name(string) table_version(int)\n"
_SBC_VERSIONS = (
    f"{_VERSIONS}0:domain:2\n1:domain_attrs:1\n2:draining-routers:2\n3:provisioned-sources:2\n"
)
_ROUTER_VERSIONS = f"{_VERSIONS}0:rtpengine:1\n1:router-confd:2\n2:uacreg:5\n"
# What the agent fills with registrations at carriers, passwords and all.
_UACREG = (
    "id(int) l_uuid(string) l_username(string) l_domain(string) r_username(string)"
    " r_domain(string) realm(string,null) auth_username(string) auth_password(string)"
    " auth_ha1(string,null) auth_proxy(string) expires(int) flags(int) reg_delay(int)"
    " contact_addr(string,null) socket(string,null)\n"
)
_ATTRIBUTES = "id(int,auto) did(string) name(string) type(int) value(string)\n"
INITIAL: Final[dict[Tier, dict[str, str]]] = {
    # The table `domain` itself comes from the agent: the tier's public addresses.
    Tier.SBC: {
        "draining-routers": _HTABLE,
        "provisioned-sources": _HTABLE,
        "dispatcher.list": "# no router is known yet\n",
        "version": _SBC_VERSIONS,
        "domain_attrs": _ATTRIBUTES,
    },
    Tier.ROUTER: {
        "version": _ROUTER_VERSIONS,
        "rtpengine": _RTPENGINE,
        "router-confd": _HTABLE,
        "uacreg": _UACREG,
    },
}


EDGE_RULES: Final = "/etc/c4/edge.nft"  # kamailio.service loads it


def kamailio_files(deployment: Deployment, tenant: Tenant, tier: Tier) -> tuple[File, ...]:
    """Kamailio's configuration, its list templates and its initial lists.

    Empty for a tier that runs no Kamailio.
    """
    if not tier.runs_kamailio:
        return ()
    context = KamailioContext.of(deployment, tenant, tier)
    return (
        File("/etc/kamailio/kamailio.cfg", configuration(context)),
        *(_sbc(context, tenant) if tier is Tier.SBC else ()),
        *(
            File(
                f"/etc/c4/lists/{name}.ctmpl",
                render(f"kamailio/consul-template/{name}.ctmpl.j2", context),
            )
            for name in LISTS[tier]
        ),
        *(File(f"/etc/c4/initial/{name}", text) for name, text in INITIAL[tier].items()),
    )


def configuration(context: KamailioContext) -> str:
    """`kamailio.cfg` of a tier, without indentation.

    User data has a limit of 16 KiB, and deflate looks 32 KiB back: an indented SBC would not fit.
    """
    text = render(f"kamailio/{context.tier}.cfg.j2", context)
    return "".join(line.lstrip(" ") for line in text.splitlines(keepends=True))


def _sbc(context: KamailioContext, tenant: Tenant) -> tuple[File, ...]:
    """TLS profile and kernel rules; certificate and key come from Secrets Manager at boot."""
    rules = File(EDGE_RULES, render("kamailio/sbc/edge.nft.j2", context))
    profile = File("/etc/kamailio/tls.cfg", render("kamailio/sbc/tls.cfg.j2", context))
    if tenant.sip.tls.authorities is None:
        return rules, profile
    return rules, profile, File(OWN_AUTHORITIES, tenant.sip.tls.authorities.strip() + "\n")

"""Decides where a call goes: the reply that the router hands to Kamailio's rtjson module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from router_confd.auth import digest
from router_confd.auth.crypto import Vault
from router_confd.directory.rows import Ipbx, Profile
from router_confd.directory.store import Directory
from router_confd.resources.schemas.kamailio import AuthReply, RoutingRequest
from router_confd.routing import limits, outbound, sip_uri
from router_confd.routing.normalization import Normalizer
from router_confd.routing.reply import Identity, Login, Route, RtJson

BRANCH_FLAGS = 8
FR_TIMER = 5_000  # milliseconds
FR_INV_TIMER = 30_000  # milliseconds


class _Call(NamedTuple):
    """A parsed request. Its numbers are E.164 digits."""

    request: RoutingRequest
    caller: sip_uri.Uri
    to: sip_uri.Uri
    target: sip_uri.Uri  # the Request-URI if the router sent it, otherwise `to`
    caller_number: str
    to_number: str
    target_number: str


class _Hop(NamedTuple):
    """One destination of the call."""

    host: str  # with port
    transport: str | None
    profile: Profile | None
    login: Login
    identity: Identity
    keeps_port: bool  # From and To keep their port; only towards trunks, as in wazo-router-confd


def route(
    directory: Directory, vault: Vault, request: RoutingRequest, auth: AuthReply | None
) -> RtJson:
    """The `rtjson` object. `auth` is the result of authentication, None if it was not requested."""
    caller = auth if auth and auth.success else None
    normalizer = Normalizer(directory)
    profile = _caller_profile(directory, normalizer, caller)
    call = _parse(request, normalizer, profile, _called(directory, normalizer, request, caller))
    hops = list(_towards_ipbx(directory, normalizer, vault, call, caller))
    # Opt-in by request_uri: a call that one of our PBXs can take does not try a carrier as well.
    if not (hops and request.request_uri):
        hops.extend(_towards_trunks(directory, normalizer, vault, call, caller))
    if not hops:
        return {"success": False}
    logins = [hop.login for hop in hops if hop.login and "carrier_trunk_id" in hop.identity]
    logins += [hop.login for hop in hops if hop.login]
    login: Login = logins[0] if logins else {}
    return {
        "success": True,
        "version": "1.0",
        "routing": "serial",
        "routes": [_route(normalizer, call, hop) for hop in hops],
        **login,
    }


def _called(
    directory: Directory, normalizer: Normalizer, request: RoutingRequest, caller: AuthReply | None
) -> sip_uri.Uri | None:
    """The Request-URI; None if the router did not send it.

    A carrier calls a registered trunk by the Contact of the registration, `sip:<trunk id>@...`,
    which does not contain the number. It is in To, or else it is the account's user name.
    """
    if not request.request_uri:
        return None
    uri = sip_uri.parse(request.request_uri)
    trunk = directory.trunks.rows.get((caller and caller.carrier_trunk_id) or 0)
    if trunk is None or not trunk.registered or uri.user != str(trunk.id):
        return uri
    to = sip_uri.parse(request.to_uri)
    profile = normalizer.profile(trunk.normalization_profile_id)
    for user in (to.user, trunk.auth_username or ""):
        if _by_number(directory, normalizer.to_e164(user, profile), trunk.tenant_uuid):
            return uri._replace(user=user)
    return uri._replace(user=to.user)


def _parse(
    request: RoutingRequest,
    normalizer: Normalizer,
    profile: Profile | None,
    called: sip_uri.Uri | None,
) -> _Call:
    caller, to = sip_uri.parse(request.from_uri), sip_uri.parse(request.to_uri)
    target = called or to
    caller_number = normalizer.to_e164(caller.user, profile)
    to_number = normalizer.to_e164(to.user, profile)
    target_number = to_number if target == to else normalizer.to_e164(target.user, profile)
    return _Call(request, caller, to, target, caller_number, to_number, target_number)


def _caller_profile(
    directory: Directory, normalizer: Normalizer, caller: AuthReply | None
) -> Profile | None:
    if caller is None:
        return None
    if caller.ipbx_id:
        ipbx = directory.ipbxs.rows.get(caller.ipbx_id)
        return normalizer.profile(ipbx.normalization_profile_id) if ipbx else None
    trunk = directory.trunks.rows.get(caller.carrier_trunk_id or 0)
    return normalizer.profile(trunk.normalization_profile_id) if trunk else None


def _towards_ipbx(
    directory: Directory,
    normalizer: Normalizer,
    vault: Vault,
    call: _Call,
    caller: AuthReply | None,
) -> Iterator[_Hop]:
    """The PBX that the domain belongs to, or else the number: at most one."""
    tenant = caller.tenant_uuid if caller else None
    ipbx = _by_domain(directory, call.target.domain, tenant)
    # Opt-in by request_uri: the sender's own domain does not send the call back to the sender.
    if ipbx and call.request.request_uri and caller and ipbx.id == caller.ipbx_id:
        ipbx = None
    ipbx = ipbx or _by_number(directory, call.target_number, tenant)
    if ipbx is not None:
        yield _Hop(
            host=f"{sip_uri.host(ipbx.ip_fqdn)}:{ipbx.port}",
            transport=ipbx.transport,
            profile=normalizer.profile(ipbx.normalization_profile_id),
            login=digest.towards_ipbx(vault, ipbx),
            identity={"ipbx_id": ipbx.id, "limits": limits.of_ipbx(ipbx)},
            keeps_port=False,
        )


def _by_domain(directory: Directory, domain: str, tenant: str | None) -> Ipbx | None:
    found = [
        ipbx
        for row in directory.domains_by_text[domain]
        if tenant in (None, row.tenant_uuid)
        for ipbx in directory.ipbxs_by_domain[row.id]
    ]
    return min(found, key=lambda ipbx: ipbx.id, default=None)


def _by_number(directory: Directory, number: str, tenant: str | None) -> Ipbx | None:
    for ipbx_id in directory.dids.find(number):
        ipbx = directory.ipbxs.rows.get(ipbx_id)
        if ipbx is not None and tenant in (None, ipbx.tenant_uuid):
            return ipbx
    return None


def _towards_trunks(
    directory: Directory,
    normalizer: Normalizer,
    vault: Vault,
    call: _Call,
    caller: AuthReply | None,
) -> Iterator[_Hop]:
    """Carrier trunks, if the call comes from one of our PBXs."""
    source = _calling_ipbx(directory, call.request, caller)
    if source is None:
        return
    for trunk in outbound.trunks(directory, source, call.target_number):
        yield _Hop(
            host=f"{sip_uri.host(trunk.sip_proxy)}:{trunk.sip_proxy_port}",
            transport=trunk.transport,
            profile=normalizer.profile(trunk.normalization_profile_id),
            login=digest.towards_trunk(vault, trunk),
            identity={"carrier_trunk_id": trunk.id, "limits": limits.of_trunk(trunk)},
            keeps_port=True,
        )


def _calling_ipbx(
    directory: Directory, request: RoutingRequest, caller: AuthReply | None
) -> Ipbx | None:
    tenant = caller.tenant_uuid if caller else None
    # Opt-in by request_uri: an authenticated PBX may call out whatever its ip_fqdn is.
    if request.request_uri and caller and caller.ipbx_id:
        return directory.ipbxs.rows.get(caller.ipbx_id)
    for ipbx in directory.ipbxs_by_fqdn[request.source_ip or None]:
        if tenant in (None, ipbx.tenant_uuid) and directory.trunks_by_tenant[ipbx.tenant_uuid]:
            return ipbx
    return None


def _parameter(transport: str | None) -> str:
    """The transport as a URI parameter. A URI without one means UDP."""
    return f";transport={transport}" if transport in ("tcp", "tls") else ""


def _route(normalizer: Normalizer, call: _Call, hop: _Hop) -> Route:
    caller, to = call.caller, call.to

    def header_uri(uri: sip_uri.Uri, number: str) -> str:
        local = normalizer.to_local(number, hop.profile)
        return f"{uri.scheme}{local}@{uri.domain}{uri.port if hop.keeps_port else ''}"

    asserted = f"<sip:{call.caller_number}@{caller.domain}>"
    identity: Identity = hop.identity if call.request.request_uri else {}
    login: Login = hop.login if call.request.request_uri else {}
    return {
        "dst_uri": f"sip:{hop.host}{_parameter(hop.transport)}",
        "path": "",
        "socket": "",
        "headers": {
            "from": {
                "display": sip_uri.printable(call.request.from_name or ""),
                "uri": header_uri(caller, call.caller_number),
            },
            "to": {
                "display": sip_uri.printable(call.request.to_name or ""),
                "uri": header_uri(to, call.to_number),
            },
            "extra": f"P-Asserted-Identity: {asserted}\r\n" if call.caller_number else "",
        },
        "branch_flags": BRANCH_FLAGS,
        "fr_timer": FR_TIMER,
        "fr_inv_timer": FR_INV_TIMER,
        "uri": f"sip:{normalizer.to_local(call.target_number, hop.profile)}@{hop.host}",
        **identity,
        **login,
    }

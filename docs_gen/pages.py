"""Documentation that is generated from the code: settings, ports, the drawing of the architecture.

`write` writes whole files under docs/, and marked blocks of README.md.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from enum import StrEnum
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import settings
from common import ports, topology
from docs_gen import faults, kamailio_docs, packages
from settings.load import ROOT

MADE_BY = "<!-- Made by `make docs`; do not edit. -->"


def write(*, check: bool = False, root: Path = ROOT) -> list[str]:
    """Update the generated texts, and return the files that were stale.

    With `check` nothing is written.
    """
    demo = settings.load("demo")
    stale = []
    for name, text in {
        "docs/settings.md": settings_page(),
        "docs/ports.md": ports_page(),
        "docs/architecture.md": architecture_page(demo),
        "docs/faults.md": faults_page(),
        **kamailio_docs.pages(root),
    }.items():
        path = root / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
    readme = root / "README.md"
    old = readme.read_text(encoding="utf-8")
    new = replace_block(old, "architecture", picture(demo))
    if new != old:
        stale.append("README.md")
        if not check:
            readme.write_text(new, encoding="utf-8")
    return stale


def replace_block(text: str, name: str, content: str) -> str:
    """`text` with new content between the markers of block `name`. Raises `ValueError`."""
    begin, end = f"<!-- begin {name}: made by `make docs` -->", f"<!-- end {name} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"no block {begin!r} in README.md")
    return pattern.sub(lambda _: f"{begin}\n{content}\n{end}", text)


# --- faults ---------------------------------------------------------------------------------------
def faults_page() -> str:
    """The effects of faults on calls, as the end-to-end tests last recorded them."""
    lines = [
        "# Calls during faults",
        MADE_BY,
        "",
        "Measured by `make faults`: end-to-end tests cause one fault after the other in the local",
        "cloud, while calls are set up, ring and are established through every SBC. A call is",
        "lost when it fails outside the stated window. The worst delay is the longest that was",
        "added to a setup or hang-up; machines that boot on the same two cores contribute to it.",
        "",
        *faults.markdown(faults.read(ROOT / faults.RESULTS)),
    ]
    return "\n".join(lines) + "\n"


# --- settings ----------------------------------------------------------------------------------
def settings_page() -> str:
    """Table of every setting, one section per model."""
    lines = [
        "# Settings",
        MADE_BY,
        "",
        "One YAML file under `deployments/` describes one deployment; `C4_DEPLOYMENT` selects it.",
        "`C4_CDK` selects the CDK that synthesizes it: `cdktf` (the default) or `cdktn`"
        " ([decision 0001](decisions/0001-cdktf.md)).",
        "Check a file with `./c4 settings check NAME`. An unknown key is an error.",
        "",
    ]
    for path, model, absent in _models(settings.Deployment, ""):
        level = "#" * (2 + path.count("."))
        lines += [f"{level} {f'`{path}`' if path else 'The file'}", ""]
        summary = " ".join((inspect.getdoc(model) or "").split())
        lines += [summary, "", "| key | value | default | meaning |", "| --- | --- | --- | --- |"]
        for name, info in model.model_fields.items():
            lines.append(
                f"| `{name}` | {_value(path, name, info)} | {_default_in(name, info, absent)} "
                f"| {info.description or ''} |"
            )
        lines.append("")
    return "\n".join(lines)


def _models(
    model: type[BaseModel], path: str, absent: BaseModel | None = None
) -> Iterator[tuple[str, type[BaseModel], BaseModel | None]]:
    """A model and all models inside it, each with its values when its section is absent.

    A model that is used twice is shown twice.
    """
    yield path, model, absent
    for name, info in model.model_fields.items():
        inner, suffix = _inner_model(info.annotation)
        if inner:
            value = info.get_default(call_default_factory=True, validated_data={})
            value = value if isinstance(value, BaseModel) else None
            yield from _models(inner, f"{path}.{name}{suffix}".lstrip("."), value)


def _inner_model(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    suffix = "[]" if get_origin(annotation) is list else ""
    for argument in get_args(annotation):
        inner, deeper = _inner_model(argument)
        if inner:
            return inner, suffix + deeper
    return None, ""


def _value(path: str, name: str, info: FieldInfo) -> str:
    """The values that a key may have; for a section, a link to its table."""
    inner, suffix = _inner_model(info.annotation)
    if inner is None:
        return _allowed(info)
    anchor = re.sub(r"[^a-z_-]", "", f"{path}{name}")  # as GitHub makes it of the heading
    return f"[{'list of sections' if suffix else 'section'}](#{anchor})"


def _allowed(info: FieldInfo) -> str:
    """Type and range of a field, as text for a reader."""
    text = _type_name(info.annotation)
    items = " characters" if text == "text" else " items"
    low, high, unit, pattern = None, None, "", None
    for item in info.metadata:
        if isinstance(item, Ge):
            low = item.ge
        elif isinstance(item, Le):
            high = item.le
        elif isinstance(item, MinLen):
            low, unit = item.min_length, items
        elif isinstance(item, MaxLen):
            high, unit = item.max_length, items
        else:
            pattern = getattr(item, "pattern", None) or pattern
    text += _range(low, high, unit)
    if pattern:
        text += f", `{pattern}`"
    return text.replace("|", "\\|")


def _range(low: Any, high: Any, unit: str) -> str:
    """A range, also one that is open on a side, after the name of a type."""
    if low is None and high is None:
        return ""
    if high is None:
        return f", {low}{unit} or more"
    if low is None:
        return f", at most {high}{unit}"
    return f", {low} to {high}{unit}"


def _type_name(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_name(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (list, frozenset):
        return f"list of {_type_name(arguments[0])}"
    if arguments:  # a union; None is said by the default
        return " or ".join(_type_name(a) for a in arguments if a is not type(None))
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return " or ".join(f"`{member.value}`" for member in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    names: dict[Any, str] = {
        int: "integer", str: "text", bool: "`true` or `false`", float: "number",
        IPv4Network: "IPv4 range",
    }  # fmt: skip
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default_in(name: str, info: FieldInfo, absent: BaseModel | None) -> str:
    """The default of a key; also its value without the whole section, where that differs."""
    own = _default(info)
    if absent is None or info.is_required():
        return own
    value = getattr(absent, name)
    if value == info.get_default(call_default_factory=True, validated_data={}):
        return own
    return f"{own}, or `{getattr(value, 'value', value)}` without this section"


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.default_factory() if info.default_factory else info.default  # type: ignore[call-arg]
    if value is None or value is PydanticUndefined:
        return "none"
    if isinstance(value, BaseModel):
        changed = value.model_dump(mode="json", exclude_defaults=True)
        return ", ".join(f"{key}: {shown}" for key, shown in changed.items()) or "see below"
    if isinstance(value, StrEnum):
        return f"`{value.value}`"
    if isinstance(value, frozenset):
        return ", ".join(f"`{getattr(item, 'value', item)}`" for item in sorted(value))
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


# --- ports -------------------------------------------------------------------------------------
def ports_page() -> str:
    """Table of every port of `common.ports`."""
    lines = [
        "# Ports",
        MADE_BY,
        "",
        "They are the same for every deployment, and are defined in `common/ports.py` only.",
        "Security groups open exactly these ports between the tiers that use them.",
        "",
        "| name | port | protocols | use |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| `{name}` | {port} | {', '.join(p.upper() for p in port.protocols)} | {port.use} |"
        for name, port in ports.ALL.items()
    ]
    return "\n".join(lines) + "\n"


# --- architecture ------------------------------------------------------------------------------
def architecture_page(deployment: settings.Deployment) -> str:
    """The drawing with its tables, for the demo deployment, and the packages of the code."""
    lines = [
        "# Architecture",
        MADE_BY,
        "",
        f"The deployment `{deployment.deployment}` (`deployments/{deployment.deployment}.yaml`).",
        "",
        picture(deployment),
        "",
        "SBCs replicate the state of calls to each other by DMQ "
        f"(UDP {ports.DMQ.number}), and routers do so among themselves.",
        "",
        "## Stacks",
        "",
        "Each has a Terraform state of its own: `cdktf deploy STACK`.",
        "",
        "| stack | what it holds |",
        "| --- | --- |",
        "| `network` | VPC, segments over the zones, routes, NAT, endpoints, flow logs |",
        f"| `consul` | {deployment.consul.servers} Consul servers, one group over the zones |",
    ]
    lines.append("| `image` | EC2 Image Builder pipeline for the machine image ([how](image.md)) |")
    lines += [
        f"| `{tenant.name}` | SBC, router, RTP and router-confd groups, database, Elastic IPs, "
        "security groups, roles |"
        for tenant in deployment.tenants
    ]
    lines += ["", "## Segments", "", "| segment | range | internet | subnets |", "| --- " * 4 + "|"]
    for segment, network in deployment.network.segments.items():
        subnets = ", ".join(f"{net} ({zone})" for zone, net in deployment.subnets(segment).items())
        reach = "public" if segment.is_public else "none" if segment.value == "data" else "NAT"
        lines.append(f"| {segment.value} | {network} | {reach} | {subnets} |")
    lines += ["", *packages.section(ROOT)]
    return "\n".join(lines) + "\n"


def picture(deployment: settings.Deployment) -> str:
    """Mermaid flowchart of a deployment: segments, tiers with their sizes, connections."""
    lines = [
        "```mermaid",
        "flowchart TB",
        '  carrier(["carriers and PBXs"])',
        f'  subgraph vpc["VPC {deployment.network.cidr}, {", ".join(deployment.zones)}"]',
        "    direction TB",
        f'    consul["{deployment.consul.servers} Consul servers"]',
    ]
    for tenant in deployment.tenants:
        name = tenant.name
        lines.append(f'    subgraph {name}["tenant {name}"]')
        labels = {
            topology.Tier.SBC: "SBC: Kamailio",
            topology.Tier.ROUTER: "router: Kamailio",
            topology.Tier.RTP: "RTP: rtpengine",
            topology.Tier.ROUTER_CONFD: "router-confd: FastAPI",
        }
        for tier, label in labels.items():
            size = tenant.size(tier)
            count = f"{size.min} to {size.max}" if size.max > size.min else str(size.min)
            lines.append(
                f'      {name}_{tier.name.lower()}["{label}<br/>{count} instances, '
                f'{tier.segment.value} segment"]'
            )
        lines += [f'      {name}_db[("PostgreSQL, RDS<br/>data segment")]', "    end"]
        node = f"{name}_"
        lines += [
            f'    {node}sbc <-->|"SIP, UDP {ports.SIP_INTERNAL.number}"| {node}router',
            f'    {node}router -->|"HTTP {ports.ROUTER_CONFD_INTERNAL.number}"| {node}router_confd',
            f'    {node}router -->|"NG control, UDP {ports.RTPENGINE_NG.number}"| {node}rtp',
            f'    {node}router_confd -->|"TLS {ports.POSTGRES.number}"| {node}db',
        ]
    lines.append("  end")
    for tenant in deployment.tenants:
        lines += [
            f'  carrier <-->|"SIP {ports.SIP.number}, SIPS {ports.SIPS.number}"| {tenant.name}_sbc',
            f'  carrier <-->|"RTP, UDP {ports.RTP.first} to {ports.RTP.last}"| {tenant.name}_rtp',
            f"  consul -.-|every instance runs an agent| {tenant.name}",
        ]
    return "\n".join([*lines, "```"])

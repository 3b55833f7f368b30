"""Find or build Terraform and the AWS provider, from any source that this machine can reach."""

from __future__ import annotations

import json
import lzma
import os
import platform
import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from host import golang
from host.caches import build_once, digest, locked
from host.errors import HostError
from host.paths import cache_dir
from host.run import run
from lab.terraform import provider_build

MIRROR: Final = "C4_TERRAFORM_MIRROR"
REGISTRY_TIMEOUT: Final = 3.0  # seconds
ARCHIVE: Final = re.compile(r"^terraform-provider-(\w+)_v([\d.]+)_(\w+)_(\w+)\.xz$")
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Toolchain:
    """The program, and the environment in which it finds the provider."""

    program: Path
    environment: dict[str, str] = field(default_factory=dict)


def toolchain(stack_dir: Path, progress: Progress) -> Toolchain:
    """Terraform and the providers of the stack in `stack_dir`. Raises `HostError`.

    The program is the host's `terraform` or `tofu`, else OpenTofu built from its Go module. The
    providers come from the mirror that `C4_TERRAFORM_MIRROR` names. Without it, they come from our
    own mirror in the cache, which is filled once from the registry, or from Go modules if the
    registry cannot be reached.
    """
    found = shutil.which("terraform") or shutil.which("tofu")
    program = Path(found) if found else golang.tool("opentofu", progress)
    wanted = addresses(program, stack_dir)
    named = os.environ.get(MIRROR)
    if named:
        mirror = usable(Path(named), wanted, progress)
    else:
        mirror = own_mirror()
        if missing := [a for a in wanted if not (mirror / a).is_dir()]:
            fill(mirror, program, stack_dir, missing, progress)
    return Toolchain(program, {"TF_CLI_CONFIG_FILE": str(mirror_config(mirror))})


def own_mirror() -> Path:
    return cache_dir() / "terraform" / "mirror"


def fill(
    mirror: Path, program: Path, stack_dir: Path, missing: list[str], progress: Progress
) -> None:
    """Get providers into `mirror`, once. Raises `HostError`."""
    hosts = {address.split("/", 1)[0] for address in missing}
    if all(reachable(host) for host in hosts):
        progress("fetching the AWS provider from the registry, once")
        with locked("terraform-mirror"), scratch(stack_dir) as directory:
            target = f"-platform={system_arch()}"
            run(
                [program, f"-chdir={directory}", "providers", "mirror", target, mirror],
                timeout=1800,
            )
        return
    for address in missing:
        if not address.endswith("/hashicorp/aws"):
            raise HostError(
                f"provider {address} is in no mirror, and no registry can be reached",
                f"set {MIRROR} to a directory that has it",
            )
        place = mirror / address / provider_build.VERSION / system_arch()
        name = f"terraform-provider-aws_v{provider_build.VERSION}_x5"
        build_once(place, lambda part, name=name: provider_build.build(part / name, progress))  # type: ignore[misc]


def reachable(host: str) -> bool:
    """True when a registry answers quickly, or when a proxy may reach it."""
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True
    try:
        socket.create_connection((host, 443), timeout=REGISTRY_TIMEOUT).close()
        return True
    except OSError:
        return False


def system_arch() -> str:
    """The platform as Terraform writes it, e.g. `linux_amd64`."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"{platform.system().lower()}_{machine}"


@contextmanager
def scratch(stack_dir: Path) -> Iterator[Path]:
    """A directory with nothing of a stack but its required providers.

    A backend would have to be initialized first, which needs the providers.
    """
    document = json.loads((stack_dir / "cdk.tf.json").read_text())
    text = json.dumps(
        {"terraform": {"required_providers": document["terraform"]["required_providers"]}}
    )
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "providers.tf.json").write_text(text)
        yield Path(directory)


def addresses(program: Path, stack_dir: Path) -> list[str]:
    """Full addresses (HOST/NAMESPACE/TYPE) of the providers that a stack requires.

    The program prints them, so that no registry's name has to be known here.
    """
    with scratch(stack_dir) as directory:
        done = run([program, f"-chdir={directory}", "providers"])
    found = set(re.findall(r"provider\[([^\]]+)\]", done.stdout))
    return sorted(a for a in found if not a.startswith("terraform.io/builtin/"))


def mirror_config(mirror: Path) -> Path:
    """A CLI configuration that gets all providers from a file system mirror."""
    text = f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n'
    rc = cache_dir() / "terraform" / f"{digest([text])}.tfrc"
    rc.parent.mkdir(parents=True, exist_ok=True)
    with locked("terraform-config"):
        if not rc.exists():
            rc.write_text(text)
    return rc


def usable(mirror: Path, wanted: list[str], progress: Progress) -> Path:
    """The mirror that the user has named, unpacked if it is packed.

    `mirror` is a Terraform file system mirror, or a directory with packed provider programs
    (terraform-provider-TYPE_vVERSION_OS_ARCH.xz), which are unpacked into our own.
    """
    if not mirror.is_dir():
        raise HostError(
            f"{MIRROR}={mirror} is not a directory", "name a Terraform file system mirror"
        )
    if any((mirror / address).is_dir() for address in wanted):
        return mirror
    return unpack(mirror, wanted, progress)


def unpack(source: Path, wanted: list[str], progress: Progress) -> Path:
    """A file system mirror in the cache with the packed programs of `source`."""
    target = own_mirror()
    types = {address.rsplit("/", 1)[1]: address for address in wanted}
    found = False
    for archive in sorted(source.iterdir()):
        match = ARCHIVE.match(archive.name)
        if match is None or match[1] not in types:
            continue
        name, version, system, arch = match.groups()
        place = target / types[name] / version / f"{system}_{arch}"

        def build(
            part: Path,
            archive: Path = archive,
            file: str = f"terraform-provider-{name}_v{version}_x5",
        ) -> None:
            progress(f"unpacking {archive.name}")
            with lzma.open(archive) as packed, (part / file).open("wb") as out:
                shutil.copyfileobj(packed, out, 1 << 20)
            (part / file).chmod(0o755)

        build_once(place, build)
        found = True
    if not found:
        raise HostError(
            f"{source} holds none of the providers {', '.join(wanted)} for "
            f"{platform.system().lower()}",
            "expected a file system mirror or terraform-provider-*.xz files",
        )
    return target

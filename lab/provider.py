"""Terraform itself and the AWS provider, wherever this machine can get them."""

from __future__ import annotations

import json
import lzma
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from image.cache import build_once, locked
from lab.command import run
from lab.errors import LabError
from lab.names import cache_dir

MIRROR: Final = "C4_TERRAFORM_MIRROR"
ARCHIVE: Final = re.compile(r"^terraform-provider-(\w+)_v([\d.]+)_(\w+)_(\w+)\.xz$")
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Toolchain:
    """The program, and what its environment needs to find the provider."""

    program: Path
    environment: dict[str, str] = field(default_factory=dict)


def toolchain(stack_dir: Path, progress: Progress) -> Toolchain:
    """Terraform and its provider for the stack in `stack_dir`. Raises `LabError`."""
    found = shutil.which("terraform") or shutil.which("tofu")
    if not found:
        raise LabError("neither terraform nor tofu is installed", "install one of them")
    program = Path(found)
    mirror = os.environ.get(MIRROR)
    if mirror:
        rc = mirror_config(Path(mirror), addresses(program, stack_dir), progress)
        return Toolchain(program, {"TF_CLI_CONFIG_FILE": str(rc)})
    return Toolchain(program)


def addresses(program: Path, stack_dir: Path) -> list[str]:
    """Full addresses (HOST/NAMESPACE/TYPE) of the providers that a stack asks for.

    The program says them: no registry's name needs to be known here. It is asked about a copy
    without backend, because a backend must be initialized first, and that needs the provider.
    """
    document = json.loads((stack_dir / "cdk.tf.json").read_text())
    wanted = document["terraform"]["required_providers"]
    with tempfile.TemporaryDirectory() as empty:
        text = json.dumps({"terraform": {"required_providers": wanted}})
        (Path(empty) / "providers.tf.json").write_text(text)
        done = run([program, f"-chdir={empty}", "providers"])
    return sorted(set(re.findall(r"provider\[([^\]]+)\]", done.stdout)))


def mirror_config(mirror: Path, wanted: list[str], progress: Progress) -> Path:
    """A CLI configuration that takes providers from `mirror`.

    `mirror` is a Terraform file system mirror, or a directory with packed provider programs
    (terraform-provider-TYPE_vVERSION_OS_ARCH.xz), which are unpacked into one.
    """
    if not mirror.is_dir():
        raise LabError(f"{MIRROR}={mirror} is no directory", "name a Terraform file system mirror")
    if not any((mirror / address).is_dir() for address in wanted):
        mirror = unpack(mirror, wanted, progress)
    rc = cache_dir() / "terraform" / "mirror.tfrc"
    rc.parent.mkdir(parents=True, exist_ok=True)
    text = f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n'
    with locked("terraform-config"):
        if not rc.exists() or rc.read_text() != text:
            rc.write_text(text)
    return rc


def unpack(source: Path, wanted: list[str], progress: Progress) -> Path:
    """A file system mirror in the cache with the packed programs of `source`."""
    target = cache_dir() / "terraform" / "mirror"
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
        raise LabError(
            f"{source} holds none of the providers {', '.join(wanted)} for "
            f"{platform.system().lower()}",
            "expected a file system mirror or terraform-provider-*.xz files",
        )
    return target

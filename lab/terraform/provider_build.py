"""Build the AWS provider from its Go modules, with only the services that our stacks use.

It is for machines that reach a Go module proxy but no Terraform registry. The whole provider takes
an hour and gigabytes to build; with these services only, it takes some minutes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from host.errors import HostError
from host.golang import find_go
from host.run import ends_with_us, run

SOURCE: Final = Path(__file__).parent / "provider_source"  # go.mod and go.sum that pin it
MODULE: Final = "github.com/upbound/terraform-provider-aws"  # tag-less mirror of the original
IMPORT_PATH: Final = "github.com/hashicorp/terraform-provider-aws"
VERSION: Final = "6.34.0"
BUILD_LIMIT: Final = 3 * 3600  # seconds
SERVICES: Final = frozenset(
    {
        "acm",
        "autoscaling",
        "cloudformation",
        "cloudwatch",
        "dynamodb",
        "ec2",
        "elasticache",
        "elbv2",
        "events",
        "iam",
        "imagebuilder",
        "kms",
        "lambda",
        "logs",
        "meta",
        "organizations",
        "rds",
        "resourcegroupstaggingapi",
        "route53",
        "s3",
        "s3control",
        "secretsmanager",
        "servicediscovery",
        "sns",
        "sqs",
        "ssm",
        "sts",
    }
)
# Files and folders that only tests and code generators compile.
NOT_COMPILED: Final = ("acctest", "generate", "sweep", "testdata")

Progress = Callable[[str], None]


def build(target: Path, progress: Progress) -> None:
    """Write the provider's program to `target`. Raises `HostError`."""
    go = find_go(progress)
    progress("downloading the source of the AWS provider")
    source = download(go)
    work = target.with_name("source")
    shutil.copytree(source, work)
    try:
        run(["chmod", "--recursive", "u+w", work])
        trim(work)
        progress(f"building the AWS provider {VERSION} from Go modules (once, 6 to 20 minutes)")
        flags = f"-s -w -X {IMPORT_PATH}/version.ProviderVersion={VERSION}"
        command = [str(go), "build", "-trimpath", f"-ldflags={flags}", "-o", str(target), "."]
        env = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false"}
        done = subprocess.run(
            ends_with_us(command), cwd=work, env=env, capture_output=True, text=True,
            timeout=BUILD_LIMIT,
        )  # fmt: skip
        if done.returncode != 0:
            raise HostError(f"building the AWS provider failed:\n{done.stderr.strip()[-3000:]}")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def download(go: Path) -> Path:
    """Directory of the provider's source, its checksum verified against our go.sum."""
    versions = re.findall(rf"^{re.escape(MODULE)} (\S+) h1:", (SOURCE / "go.sum").read_text(), re.M)
    done = run(
        [go, "-C", SOURCE, "mod", "download", "-json", f"{MODULE}@{versions[0]}"],
        timeout=900,
        hint="the Go module proxy must be reachable for the first build",
    )
    return Path(json.loads(done.stdout)["Dir"])


def trim(root: Path) -> None:
    """Remove all but the services that we use from the two generated files that list them."""
    packages = root / "internal/provider/sdkv2/service_packages_gen.go"
    packages.write_text(keep_packages(packages.read_text(), SERVICES))
    clients = root / "internal/conns/awsclient_gen.go"
    clients.write_text(keep_clients(clients.read_text(), used_clients(root)))


def keep_packages(text: str, services: Iterable[str]) -> str:
    """The list of service packages, with imports and entries of `services` only."""
    kept = set(services)

    def wanted(line: str) -> bool:
        found = re.search(r'/internal/service/(\w+)"$|^\s+(\w+)\.ServicePackage\(ctx\),$', line)
        return found is None or (found[1] or found[2]) in kept

    return "".join(line for line in text.splitlines(keepends=True) if wanted(line.rstrip("\n")))


def keep_clients(text: str, used: Iterable[str]) -> str:
    """The AWS client, with only the methods `used` and the imports that these need."""
    names = set(used)
    method = re.compile(r"^func \(c \*AWSClient\) (\w+)\(ctx .*?^}\n\n?", re.M | re.S)
    text = method.sub(lambda m: m[0] if m[1] in names else "", text)
    body = text.split(")\n", 1)[1]

    def needed(line: str) -> bool:
        found = re.match(r'\s+(?:(\w+) )?"github\.com/aws/aws-sdk-go-v2/service/(\w+)"$', line)
        return found is None or re.search(rf"\b{found[1] or found[2]}\.", body) is not None

    return "".join(line for line in text.splitlines(keepends=True) if needed(line.rstrip("\n")))


def used_clients(root: Path) -> set[str]:
    """Names of the client methods that the kept code calls."""
    internal = root / "internal"
    folders = [p for p in internal.iterdir() if p.is_dir() and p.name != "service"]
    folders += [internal / "service" / name for name in compiled_services(internal / "service")]
    found: set[str] = set()
    for folder in folders:
        for file in go_files(folder):
            found.update(re.findall(r"\.(\w+Client)\(", file.read_text()))
    return found


def compiled_services(services: Path) -> set[str]:
    """The services that we use and those that their code imports."""
    done: set[str] = set()
    to_do = {name for name in SERVICES if (services / name).is_dir()}
    while to_do:
        done |= to_do
        text = "".join(f.read_text() for name in to_do for f in go_files(services / name))
        to_do = set(re.findall(r'/internal/service/(\w+)[/"]', text)) - done
    return done


def go_files(folder: Path) -> list[Path]:
    """Go files that the program is compiled from."""
    return [
        file
        for file in sorted(folder.rglob("*.go"))
        if not file.name.endswith("_test.go")
        and not any(part in NOT_COMPILED for part in file.relative_to(folder.parent).parts)
    ]

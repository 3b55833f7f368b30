"""The AWS provider of every stack: one exact version, and the lock file with its checksums.

The version is the one that all tests apply. It is newer than what the bindings of `cdktf` were
generated for, and older than what those of `cdktn` were: both write the same, and it understands
it. To move to another one, change it here and run `make lock-provider`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from settings.load import DEPLOYMENTS

if TYPE_CHECKING:  # scripts/lock-provider needs no Node
    from cdktf import TerraformStack

SOURCE: Final = "hashicorp/aws"
VERSION: Final = "6.34.0"
LOCKS: Final = DEPLOYMENTS / "locks"
LOCK_FILE: Final = ".terraform.lock.hcl"
HASH: Final = re.compile(r'"(?:h1|zh):')
LOCKED: Final = re.compile(r'^(?:provider "(\S+)" \{|\s+version\s*=\s*"(\S+)")$', re.M)


def require(stack: TerraformStack) -> None:
    """Have Terraform use this version in `stack`, whatever the bindings were generated for."""
    stack.add_override("terraform.required_providers.aws", {"source": SOURCE, "version": VERSION})


def kept_lock() -> Path:
    """The lock file of the program that will deploy: Terraform's, or OpenTofu's.

    The two have registries of their own, so a lock file of one means nothing to the other. The
    program is the one that the CDK's command would run, named by `TERRAFORM_BINARY_NAME`.
    """
    program = Path(os.environ.get("TERRAFORM_BINARY_NAME") or "terraform").name
    return LOCKS / ("opentofu.lock.hcl" if "tofu" in program else "terraform.lock.hcl")


def place_locks(outdir: Path) -> None:
    """Put the kept lock file beside every stack in `outdir`, where Terraform looks for it.

    While the kept one has no checksums, a stack keeps those that Terraform has recorded there.
    """
    kept = kept_lock().read_text(encoding="utf-8")
    for stack in sorted(outdir.glob("stacks/*/cdk.tf.json")):
        lock = stack.with_name(LOCK_FILE)
        if HASH.search(kept) or not lock.exists() or not _same(kept, lock):
            lock.write_text(kept, encoding="utf-8")


def _same(kept: str, lock: Path) -> bool:
    """Are both for the same version of the provider, from the same registry?"""
    return LOCKED.findall(kept) == LOCKED.findall(lock.read_text(encoding="utf-8"))

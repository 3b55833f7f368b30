"""The CDKTF app: settings -> stacks."""

from __future__ import annotations

import sys
from pathlib import Path

from c4 import cdk

try:
    cdk.install()  # before anything imports cdktf
except cdk.CdkError as error:
    print(error, file=sys.stderr)
    sys.exit(2)

from cdktf import App

from c4 import provider
from settings import Deployment, SettingsError, load
from stacks.consul import ConsulStack
from stacks.image import ImageStack
from stacks.network import NetworkStack
from stacks.tenant import TenantStack


def build(app: App, deployment: Deployment) -> None:
    """Add the stacks of a deployment to the app."""
    network = NetworkStack(app, deployment=deployment)
    ImageStack(app, deployment=deployment, network=network)
    consul = ConsulStack(app, deployment=deployment, network=network)
    for tenant in deployment.tenants:
        TenantStack(app, deployment=deployment, tenant=tenant, network=network, consul=consul)


def main() -> int:
    """Synthesize the deployment that `C4_DEPLOYMENT` names; 2 when its settings are wrong."""
    try:
        deployment = load()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    app = App()
    build(app, deployment)
    app.synth()
    provider.place_locks(Path(app.outdir))
    return 0


if __name__ == "__main__":
    sys.exit(main())

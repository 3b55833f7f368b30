"""The deployment on a local cloud that end-to-end tests share."""

from __future__ import annotations

import os
from dataclasses import dataclass

from demo.calls import Exchange
from demo.cluster import LocalDeployment
from demo.deploy import Deploying
from demo.internet import Internet
from lab.api import Lab
from settings import Tenant

LAB = os.environ.get("C4_E2E_LAB", "test")  # another name lets two sessions run side by side


@dataclass(frozen=True)
class World:
    """The running deployment and the internet around it."""

    cluster: LocalDeployment
    tenant: Tenant
    internet: Internet
    exchange: Exchange
    deploying: Deploying

    @property
    def lab(self) -> Lab:
        return self.cluster.lab

"""Typed settings of a deployment."""

from settings.deployment import Deployment
from settings.load import SettingsError, load
from settings.tenant import Tenant

__all__ = ["Deployment", "SettingsError", "Tenant", "load"]

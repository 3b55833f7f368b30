"""Typed settings of a deployment, and the facts that all parts share."""

from settings.load import SettingsError, load
from settings.models import Deployment, Tenant

__all__ = ["Deployment", "SettingsError", "Tenant", "load"]

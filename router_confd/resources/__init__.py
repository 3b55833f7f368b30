"""The resources of the management API."""

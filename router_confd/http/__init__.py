"""The two HTTP listeners: what Kamailio asks, and the management API."""

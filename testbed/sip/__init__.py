"""A tenant's SIP plane in namespaces, and the user agents around it."""

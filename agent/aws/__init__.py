"""AWS as an instance sees it: metadata, addresses, secrets, lifecycle hooks, metrics."""

"""The demo: a deployment on the local cloud, real calls through it, and a report of them."""

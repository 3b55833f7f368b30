"""Health: probes that ask a service, and who listens to their result."""

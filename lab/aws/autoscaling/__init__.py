"""An emulation of EC2 Auto Scaling: lifecycle hooks, replacement, instance refresh."""

"""What runs on an instance beside the services: facts, Elastic IP, secrets, health, drain.

It never reads a deployment's settings: everything it needs is in `/etc/c4/agent.json`
(`agent.config`, written at synth) and `/etc/c4/instance.json` (`agent.facts`, cloud-init).
"""

"""The program that runs beside the services of an instance: facts, secrets, health, drain.

It never reads a deployment's settings. Everything that it needs is in `/etc/c4/agent.json`
(`agent.config`, written at synth) and in `/etc/c4/instance.json` (`agent.facts`, written by
cloud-init).
"""

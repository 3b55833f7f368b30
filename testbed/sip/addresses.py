"""Who has which address in a SIP plane: instances inside the VPC, and hosts on the internet side.

An instance with an Elastic IP has two: its own, and the public one.
"""

from __future__ import annotations

from common import ports

SBCS = {"sbc1": ("10.40.0.11", "203.0.113.11"), "sbc2": ("10.40.5.12", "203.0.113.12")}
ROUTERS = {"rtr1": "10.40.64.21", "rtr2": "10.40.80.22"}
RTPS = {"rtp1": ("10.40.16.31", "203.0.113.31"), "rtp2": ("10.40.21.32", "203.0.113.32")}
CONFDS = ("10.40.65.41", "10.40.65.42")
# Where the internet side reaches the SBCs.
SBC1, SBC2 = ((public, ports.SIP.number) for _, public in SBCS.values())
CALLER, CALLEE, CALLEE2 = "198.51.100.10", "198.51.100.20", "198.51.100.21"
ATTACKER = "198.51.100.66"
VICTIM = "198.51.100.99"

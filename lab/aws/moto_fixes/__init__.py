"""Mends of moto; each module is one difference from AWS and names its issue upstream, if known."""

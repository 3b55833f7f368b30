"""Mends of moto; each module is one difference from AWS."""

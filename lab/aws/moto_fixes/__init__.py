"""Fixes of moto: each module fixes one difference from AWS and names a known upstream issue."""

"""router-confd: where calls of a tenant go, and where their records arrive."""

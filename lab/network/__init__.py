"""Networks of the local cloud, and the security groups that filter them."""

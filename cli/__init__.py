"""The `c4` command: the demo on the local cloud, checking of settings, generated docs."""

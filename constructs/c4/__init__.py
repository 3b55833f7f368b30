"""Our CDKTF constructs: one module per concern."""

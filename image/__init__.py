"""The machine image: what goes into it, and the layers that machines of the local cloud boot."""

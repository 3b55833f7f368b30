"""The machine image: its contents, and the layers that machines of the local cloud boot from."""

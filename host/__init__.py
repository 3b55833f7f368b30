"""Programs, files and namespaces of this host; the lab and the image are built on this package."""

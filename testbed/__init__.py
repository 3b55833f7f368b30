"""What tests and benchmarks share: parts of the product put up for a test, and their peers."""

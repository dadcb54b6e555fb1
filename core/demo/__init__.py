"""The demo shop: a client of the public API like any stranger, so it imports nothing of the house."""

"""The devnet: a simulated TRON full node with its own chain; a program of its own that knows nothing of the hub."""

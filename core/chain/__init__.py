"""Chain watching: the node client, the pure log decoder, the scanner, and TRON addresses."""

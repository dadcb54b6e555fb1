"""Runs the house's loops: each is a `step()` driven by a thread that the roof starts, never at import."""

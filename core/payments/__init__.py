"""Requests for money: deciding, reserving, matching. No TRON, no HTTP."""

"""Connections to platforms: what they tell the hub, once each, and what the hub tells them."""

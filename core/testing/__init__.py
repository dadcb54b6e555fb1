"""Shipped for tests of this house and of plugin authors: hubs with chosen parts, factories, fake doors.

Nothing here is imported by the product; the demo starts the imitated Bot API as a process of its own.
"""

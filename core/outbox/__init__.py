"""What happened and whom to tell: events and deliveries are rows, written with the change they follow from.

`events` records, in the caller's transaction. `delivery` sends, outside any. `schedule` says when to try again.
"""

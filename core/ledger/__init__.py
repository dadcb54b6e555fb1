"""Double entry: every micro-USDT that came in is booked once, against whom it belongs to.

Accounts: `chain:<address>` holds what an address received (positive), `project:<id>` what the hub has credited to a
project (negative: it is owed; on `project:<id>:held` where the hub holds the address's key), `unassigned:<merchant id>`
what came in and fits no payment yet, `refunded:<merchant id>` what was sent back, `ignored:<merchant id>` what was put
aside. What of a project's money was sent back stands on `returned:<id>` (positive), so that what was received stays.
The lines of one source sum to zero. Test payments never come near this room.
"""

"""The room with the door to merchants: the fixed contract, strict reading of what they send, and its errors."""

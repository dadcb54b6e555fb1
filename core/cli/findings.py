"""What a check of `paywharf doctor` says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw; `state` is ok, warning or problem."""

    check: str
    state: str
    sentence: str


def ok(check: str, sentence: str) -> Finding:
    """Say that something is as it should be."""
    return Finding(check, "ok", sentence)


def warning(check: str, sentence: str) -> Finding:
    """Say what an operator should know, although the hub works."""
    return Finding(check, "warning", sentence)


def problem(check: str, sentence: str) -> Finding:
    """Say what is wrong."""
    return Finding(check, "problem", sentence)

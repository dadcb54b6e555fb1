"""Tests of the simulated TRON node."""

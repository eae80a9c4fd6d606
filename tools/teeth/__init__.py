"""Damage the book one place at a time and see whether a check notices."""

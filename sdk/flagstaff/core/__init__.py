"""Deciding, and nothing else: no input or output, no threads, no clock, no logging."""

"""Exposures and tracked events on their way out: encoded, spooled, delivered, and every loss counted."""

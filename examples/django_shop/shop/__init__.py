"""A shop of two pages: an experiment on its button, a checkout for those who have logged in."""

"""Measurements of the app, each a command that prints its figures."""

"""The API: the only package that knows HTTP."""

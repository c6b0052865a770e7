"""The demo: cancel requests of both generations through the whole local stack."""

"""The demo: a dozen cancel requests through the whole local stack."""

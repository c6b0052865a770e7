"""Runs the real app in a simulated world: time, order, failures and crashes follow from a seed.

The app's code and the SDKs' are the real ones; the event loop (`loop`), the network (`network`),
storage (`storage/`), the API (`api`), the identity endpoint (`identity`) and the Functions host
(`host`) are simulated. No socket, no thread, no wall clock.
"""

"""The stack for development: storage emulator, identity, scripted portal and function host.

Nothing in here is deployed, and nothing in here talks to anything but loopback.
"""

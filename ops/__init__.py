"""What operators run by hand, as docs/runbook.md says; never deployed.

Each command says on standard output what it did, a line for each request or message.
"""

"""The timer-triggered function: does everything in the ledger that is due."""

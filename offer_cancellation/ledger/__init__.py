"""The ledger: one record a request, one due row while it is not final, in table storage."""

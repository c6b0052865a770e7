"""How many storage requests each kind of work costs: counted by a test, used by the workbook."""

# Of a request, whichever way it ends: claim, one more write, event, removal of its due row.
A_REQUEST = 4
A_DEFERRAL, A_POLL, A_TICK = 7, 2, 18

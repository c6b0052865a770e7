"""What the two functions share: cancel, persist, poll, report. Imports neither of them."""

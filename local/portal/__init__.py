"""The scripted portal: the API that the local stack and the tests talk to."""

"""The development host: runs a function app's queue and timer triggers as Azure Functions would."""

"""Deliberate faults, one a file: the simulation has to find each of them.

A file names what it breaks (`what`), where (`file`), and the text that is replaced (`old`, which
stands there once, by `new`).
"""

"""Freedoms: named ways in which a right server may differ from the reference.

Each names the source that allows it, or says that all sources are silent. They are in the modules
of this package, by theme; `registry` collects them.
"""

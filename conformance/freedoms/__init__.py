"""Freedoms: named ways in which a right server may differ from the reference.

Each freedom names the source that allows it, or says that all sources are silent. The modules of
this package hold them by theme; `registry` collects them.
"""

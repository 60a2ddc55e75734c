"""Freedoms: named ways in which a right server may differ from the reference.

Each says which source, or the silence of all sources, allows it. They stand by theme in
the modules beside this one; `registry` collects them.
"""

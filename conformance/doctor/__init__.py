"""Tries out, before a run, whether the description of a graph fits the deployment.

Nothing here judges a promise: a trial that ends otherwise than expected says what to change in the
settings, or what the deployment does not offer and which checks that leaves undecided.
"""

"""Whether the description of a graph fits the deployment, tried out before a run.

Nothing here judges a promise: a trial that ends otherwise than expected says what to mend
in the settings, or what the deployment does not offer and which checks that leaves undecided.
"""

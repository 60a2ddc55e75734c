"""Trials, before a run, of whether the description of a graph fits the deployment.

No promise is judged here. An unexpected result of a trial becomes a finding: what to change in the
settings, or what the deployment does not offer and which checks stay undecided because of that.
"""

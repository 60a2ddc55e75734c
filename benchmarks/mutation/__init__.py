"""Mutation testing of the modules in which the suite judges: do the tests see a wrong judgement?"""

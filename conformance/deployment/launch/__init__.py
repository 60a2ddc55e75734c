"""Servers that we start ourselves: what they are is data, how they are started is here."""

"""Delivery of requests despite network trouble: what is sent again, and when a run gives up."""

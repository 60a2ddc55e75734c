"""Delivery of requests through trouble on the way: what is sent again, and when a run gives up."""

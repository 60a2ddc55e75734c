"""Threads that are planted on a deployment, and verified after a restart or an upgrade."""

"""Threads that are planted on a deployment, to be found unchanged after a restart or upgrade."""

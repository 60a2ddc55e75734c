"""Worker processes that are forked from one process, which has imported the checks already."""

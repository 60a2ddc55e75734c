"""Generated and hand-written requests to try operations with."""

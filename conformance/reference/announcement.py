"""The line by which a reference process says that it serves."""

#: The prefix of the line that is printed, with the URL, once requests are accepted.
READY = "reference deployment on "

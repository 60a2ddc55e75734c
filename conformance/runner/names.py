"""Names under which the processes of a run find each other. Nothing is imported here."""

#: The plugin that runs the checks, under a user's own pytest.
WORKER = "threads-conformance"
#: The plugin that owns the run, in the process that the user started.
CONTROLLER = "threads-conformance-controller"
#: Under this name a report carries a check's result, and a worker gets its settings.
CARRIED = "threads_conformance"
#: The marks of checks, as `markers` of pytest's configuration has them.
MARKERS = (
    "requires(*ids, offers): the requirements that a check decides",
    "client(name): the documented client that a check is made with",
    "reads_only: made in a read-only run, and in no other",
)

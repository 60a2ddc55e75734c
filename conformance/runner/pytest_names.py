"""Names that the processes of a run share. Nothing is imported here."""

#: Name of the plugin that runs the checks, under a user's own pytest.
WORKER = "threads-conformance"
#: Name of the plugin that owns the run, in the process that the user started.
CONTROLLER = "threads-conformance-controller"
#: Key of a check's result in `TestReport.user_properties`, and of the settings in `workerinput`.
DATA_KEY = "threads_conformance"
#: Key, in a report, of the answers by 500 that the check itself did not judge.
SERVER_ERRORS = "threads_conformance_server_errors"
#: Key, in `workerinput`, of whether a worker removes the threads of checks that have ended.
REMOVES = "threads_conformance_removes"
#: Key, in `workerinput`, of the part of the checks that a worker makes.
PART = "threads_conformance_part"
#: Key, in `workerinput`, of whether the pytest is the user's own.
EMBEDDED = "threads_conformance_embedded"
#: Key, in `workeroutput`, of the answers by 500 to the requests of that removal.
REMOVAL_ERRORS = "threads_conformance_removal_errors"
#: Key, in `workeroutput`, of the files of a worker on another machine.
FILES = "threads_conformance_files"
#: Key of the times of a worker in `workeroutput`.
TIMES = "threads_conformance_times"
#: Environment variables that keep the user's pytest settings and plugins away from a run.
OWN_PYTEST = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "", "PYTEST_PLUGINS": ""}
#: The marks of checks, in the form of pytest's option `markers`.
MARKERS = (
    "requires(*ids, offers): the requirements that a check decides",
    "client(name): the documented client that a check is made with",
    "reads_only: made in a read-only run, and in no other",
    "restarts: ends the deployment and starts it again, after all other checks",
    "alone: made after the checks that several processes make, with nothing beside it",
)
#: The marks that each check gets under a user's own pytest, which selects by them with `-m`.
SELECTING_MARKERS = (
    "level(name): a check of the conformance suite decides a MUST, SHOULD or MAY",
    "capability(name): a check of the conformance suite is about this capability, such as copy",
    "requirement(id): a check of the conformance suite decides this requirement, such as COPY-01",
)

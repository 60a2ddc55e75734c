# The suite with the documents' clients: the Python and JavaScript SDKs, curl.
#
#   docker build -t threads-conformance .
#   docker run --rm threads-conformance run http://host.docker.internal:2024

FROM python:3.13-slim-trixie AS wheel
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY conformance conformance
COPY threads_conformance threads_conformance
COPY schemas schemas
COPY fixtures fixtures
COPY man man
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.13-slim-trixie
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# Of the versions of Debian: nothing here depends on more than Node.js 20.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends curl jq nodejs npm \
    && rm -rf /var/lib/apt/lists/*
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir "$(echo /wheels/*.whl)[clients]"

# Everybody may write to these, so that the image also runs under the user id of whoever mounts a
# folder for the reports.
ENV HOME=/home/checker XDG_CACHE_HOME=/home/checker/cache XDG_STATE_HOME=/home/checker/state
RUN useradd --uid 1000 --home-dir "$HOME" checker \
    && install --directory --mode 1777 "$HOME" "$XDG_CACHE_HOME" "$XDG_STATE_HOME" /work
USER 1000
# The packages of the JavaScript client, which npm would install at its first use.
RUN python -c "from conformance.clients.install import installed_js; installed_js()" \
    && chmod --recursive a+rwX "$XDG_CACHE_HOME/threads-conformance"
WORKDIR /work
ENTRYPOINT ["threads-conformance"]
CMD ["run"]

# docker build -t bidsmask .
# Another Python: --build-arg BASE=python:3.11-slim. The name that outputs give: --build-arg TAG=...
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /src
COPY requirements.txt .
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/bidsmask && \
    python -m pip --python /opt/bidsmask install --no-compile --require-hashes --no-deps \
      -r requirements.txt
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY bidsmask bidsmask
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m pip wheel --no-deps --wheel-dir dist . && \
    python -m pip --python /opt/bidsmask install --no-deps dist/bidsmask-*.whl
# The demo proves that the environment works, and compiles the modules that a run imports: in a
# read-only container nothing can be compiled later, and the other modules are not worth their size.
WORKDIR /tmp
RUN /opt/bidsmask/bin/bidsmask --demo demo
COPY container/slim /src/
RUN sh /src/slim /opt/bidsmask

# Atlases and masks of TemplateFlow, for nodes without network. Without network here, the folder
# stays empty, and the build log says so.
FROM ${BASE} AS templates
COPY container/fetch_templates.py container/templates.md5 /src/
RUN python /src/fetch_templates.py /src/templates.md5 /templates

FROM ${BASE} AS system
COPY container/slim_system /src/
RUN sh /src/slim_system
COPY --from=build /opt/bidsmask /opt/bidsmask
COPY --from=templates /templates /opt/bidsmask-templates

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
ARG TAG=bidsmask:dev
LABEL org.opencontainers.image.title="bidsmask" \
      org.opencontainers.image.description="From fMRIPrep derivatives to clean region time series" \
      org.opencontainers.image.licenses="BSD-3-Clause" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# What slim_system took out is out of the image, not only out of sight: a third of its size.
# hadolint ignore=DL3067
COPY --from=system / /
# A cluster's own Python settings and the packages in a user's home must not leak in.
ENV PATH="/opt/bidsmask/bin:/usr/local/bin:/usr/bin:/bin" \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONNOUSERSITE=1 \
    NO_ET=1 \
    NIPYPE_NO_ET=1 \
    BIDSMASK_TEMPLATES=/opt/bidsmask-templates \
    BIDSMASK_DOCKER_TAG="${TAG}"
ENTRYPOINT ["/opt/bidsmask/bin/bidsmask"]
CMD ["--help"]

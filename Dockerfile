# One image for the API, the workers and the back-ups; by default it starts the API. See docs/operations.md.
# The base image with Debian and Python, as requirements/images.env has it.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS packages
WORKDIR /build
RUN python -m venv --without-pip /opt/venv
COPY requirements/image.txt .
RUN python -m pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
        --require-hashes -r image.txt \
    && find /opt/venv -depth -type d \( -name tests -o -name test \) -exec rm -rf {} + \
    && rm -rf /opt/venv/lib/python3*/site-packages/matplotlib/mpl-data/sample_data

FROM ${PYTHON_IMAGE} AS service
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="dataset-jobs" \
      org.opencontainers.image.description="Runs analyses of a dataset as background jobs: API, worker and back-up." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# A numeric user, so that Kubernetes can verify that it is not root. The folders are mount points: new volumes get their
# owner.
RUN groupadd --gid 10001 jobs && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin jobs \
    && install -d -o 10001 -g 10001 -m 0755 /backups /secrets
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY api.py jobs.py worker.py ./
COPY analyses analyses/
COPY config config/
COPY dataset dataset/
COPY jobstore jobstore/
COPY ops ops/
COPY runtime runtime/
COPY samples/earthquakes.csv samples/
COPY submission submission/
COPY data_views data_views/
COPY pages pages/
COPY web web/
RUN python -m compileall -q .
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    API_HOST=0.0.0.0 \
    BACKUP_DIR=/backups \
    HEALTH_FILE=/tmp/worker.stamp
USER 10001:10001
EXPOSE 5000
# For a worker it is `ops.health worker`, for back-ups `ops.health backup`.
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 CMD ["python", "-m", "ops.health", "api"]
CMD ["python", "-m", "gunicorn", "--config", "python:web.server.gunicorn_conf", "api:create_app()"]

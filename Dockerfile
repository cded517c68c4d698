# The samestory service. Without REDIS_URL it keeps its articles in /var/lib/samestory, in a
# private Valkey server that it starts itself; with it, in that server (see compose.yaml).
#
# The base is named by its tag, which moves with Python's and Debian's security fixes. Whoever
# needs the same bytes every time pins it: python:3.13-slim@sha256:… of the day's image.
#
# Behind a proxy that signs TLS anew, or with a package index of your own:
#   docker build --secret id=ca_bundle,src=ca.pem --secret id=pip_conf,src=pip.conf .

FROM python:3.13-slim AS build

# pip is the base's own: the environment that moves on to the next stage holds none.
RUN python3 -m venv --without-pip /opt/samestory
WORKDIR /src

# The requirements before the source, so that an edit does not install them again. Every file
# must match a hash of the lock, and only wheels are taken: nothing is compiled here.
COPY requirements.lock ./
RUN --mount=type=secret,id=ca_bundle --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    if [ -s /run/secrets/ca_bundle ]; then export PIP_CERT=/run/secrets/ca_bundle; fi; \
    python3 -m pip --python /opt/samestory/bin/python install --no-cache-dir \
        --disable-pip-version-check --only-binary :all: --require-hashes -r requirements.lock

# setuptools is in the lock to build the project; the running service has no use for it.
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY clustering clustering
COPY service service
RUN python3 -m pip --python /opt/samestory/bin/python install --no-cache-dir \
        --disable-pip-version-check --no-index --no-deps --no-build-isolation . \
    && python3 -m pip --python /opt/samestory/bin/python uninstall --yes setuptools


FROM python:3.13-slim

LABEL org.opencontainers.image.title="samestory" \
      org.opencontainers.image.description="Near-duplicate story clustering service" \
      org.opencontainers.image.licenses="Apache-2.0"

# A fixed number, so that a volume's files belong to the same user in every build.
RUN useradd --uid 10001 --user-group --home-dir /var/lib/samestory --shell /usr/sbin/nologin \
        --no-log-init samestory \
    && install --directory --owner=samestory --group=samestory --mode=0750 \
        /var/lib/samestory /var/cache/samestory

COPY --from=build /opt/samestory /opt/samestory

# numba keeps the compiled hot loops in NUMBA_CACHE_DIR: /opt/samestory belongs to root.
ENV PATH=/opt/samestory/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CACHE_DIR=/var/cache/samestory/numba \
    XDG_CACHE_HOME=/var/cache/samestory \
    SAMESTORY_DATA_DIR=/var/lib/samestory

# By number: an orchestrator that insists on a non-root user can tell it from that.
USER 10001:10001
WORKDIR /var/lib/samestory
# Machine code for the processor that builds the image. On one of another kind the first start of
# a container compiles anew, which takes some ten seconds longer.
RUN python -m service.compiling
VOLUME ["/var/lib/samestory"]
EXPOSE 8000
STOPSIGNAL SIGTERM

# http.client, because urllib would send the question through $http_proxy.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client as h, os, sys; c = h.HTTPConnection('127.0.0.1', int(os.environ.get('SAMESTORY_PORT') or 8000), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]

CMD ["samestory", "serve", "--host", "0.0.0.0"]

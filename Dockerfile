# One image for every role: `paywharf web`, `watch`, `work`, and all other commands. compose.yaml puts them together.
FROM python:3.11.13-slim-bookworm AS build
WORKDIR /srv/paywharf
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY setup.cfg pyproject.toml README.md LICENSE wsgi.py ./
COPY .ci/constraints.txt .ci/constraints.txt
COPY core core
COPY plugins plugins
COPY checkout_ui checkout_ui
COPY workers workers
RUN python -m venv .venv \
    && .venv/bin/python -m pip install --constraint .ci/constraints.txt setuptools \
    && .venv/bin/python -m pip install --constraint .ci/constraints.txt --no-build-isolation --editable . \
    && .venv/bin/python -m compileall -q core plugins checkout_ui workers

FROM python:3.11.13-slim-bookworm
WORKDIR /srv/paywharf
COPY --from=build /srv/paywharf /srv/paywharf
# The code belongs to root; the hub's own user can write into its data folder alone.
RUN groupadd --gid 10001 paywharf \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin paywharf \
    && install --directory --owner=paywharf --group=paywharf --mode=0700 /data
ENV PATH=/srv/paywharf/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PAYWHARF_DATA_DIR=/data
VOLUME /data
USER 10001:10001
EXPOSE 8080
CMD ["paywharf", "serve", "--host", "0.0.0.0", "--port", "8080"]

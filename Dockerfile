# The page and the API of `mien serve`: core tier and server, no torch.
#
#   docker build -t mien .
#   docker run --rm --read-only --tmpfs /tmp -p 127.0.0.1:8000:8000 -v "$PWD/runs:/home/mien/runs:ro" mien
#
# Inside, it listens on all of the container's addresses; -p decides who can reach it. With others than this machine,
# give it a token: -e MIEN_TOKEN=...

FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir "$(echo /wheels/mien-*.whl)[serve]" \
    && rm -r /wheels \
    && useradd --create-home --uid 10001 mien
USER 10001
WORKDIR /home/mien
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["mien", "serve", "--host", "0.0.0.0"]

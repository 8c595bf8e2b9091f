# syntax=docker/dockerfile:1
FROM python:3.13-slim AS build
RUN pip install --no-cache-dir 'uv>=0.9,<1'
WORKDIR /app
COPY pyproject.toml uv.lock README.md LICENSE ./
COPY engine engine
COPY models models
COPY schema schema
COPY resolvers resolvers
COPY server server
COPY signalbox signalbox
COPY tasks tasks
COPY playground/__init__.py playground/assets.py playground/
COPY playground/dist playground/dist
RUN UV_COMPILE_BYTECODE=1 uv sync --locked --no-dev --no-editable --python python3.13

FROM python:3.13-slim
RUN useradd --system --uid 10001 --create-home --home-dir /home/signalbox signalbox \
 && install -d -o signalbox -g signalbox /data
WORKDIR /data
COPY --from=build /app/.venv /app/.venv
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER signalbox
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
ENTRYPOINT ["signalbox"]
# Without SIGNALBOX_API_KEYS it says so and ends.
CMD ["serve", "--host", "0.0.0.0"]

"""The HTTP server: gunicorn with a worker that buffers requests and responses."""

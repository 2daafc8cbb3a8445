"""What `GET /data` returns: pages of records as JSON, and records as files."""

"""What a client may post as a job: its schema and its validation."""

"""The two doors: a hook inside botocore, and an HTTP server."""

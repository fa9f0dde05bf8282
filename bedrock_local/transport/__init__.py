"""The two transports: a hook inside botocore, and an HTTP server."""

"""AWS: sessions and clients, what their errors mean, and files in a folder or in S3."""

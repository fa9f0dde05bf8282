"""Amazon S3 on a folder: objects as plain files, and the API that clients see."""

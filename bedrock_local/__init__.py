"""Amazon Bedrock batch inference in a folder: an emulator that ordinary boto3 clients talk to."""

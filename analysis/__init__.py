"""Batch inference on call transcripts with Amazon Bedrock: prepare, submit, collect, and what it cost."""

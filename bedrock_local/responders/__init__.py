"""Responders, which answer in place of a model: `extract`, an endpoint, recorded answers."""

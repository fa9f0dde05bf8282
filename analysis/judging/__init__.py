"""Judging: what people, and models asked as judges, think of answers."""

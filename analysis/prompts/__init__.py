"""Prompts: Markdown files with a header, and the text that a prompt renders for a call."""

from analysis.prompts.files import PromptSource, read_prompts
from analysis.prompts.prompt import Expectations, Prompt, PromptList, check_name, check_template, render
from analysis.prompts.templates import split_template

__all__ = [
    "Expectations",
    "Prompt",
    "PromptList",
    "PromptSource",
    "check_name",
    "check_template",
    "read_prompts",
    "render",
    "split_template",
]

"""Models that were imported (Custom Model Import) or run on a SageMaker endpoint: OpenAI's text completions.

Source: Amazon Bedrock User Guide, "Invoke your imported model", which has three formats, and in the chat format the
service applies the model's template; a recorded answer of a text completion. Bedrock accepts none of these models in
batch jobs.
"""

from __future__ import annotations

import re

from analysis.families.deepseek_r1 import STOPS, CompletionAnswer, CompletionRequest
from analysis.families.family import Family, only_read

IMPORTED = Family(
    name="imported",
    models=re.compile(r"(imported-model|endpoint)/"),
    write_request=only_read,
    request=CompletionRequest,
    answer=CompletionAnswer,
    stops=STOPS,
)

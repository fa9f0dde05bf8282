"""Inference profiles: what is behind them, as Amazon Bedrock tells."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from analysis.errors import StorageError


def find_models_behind(bedrock: Any, model_id: str) -> list[str]:
    """Ask GetInferenceProfile for the ARNs of the models behind a profile; none where it is no profile, or not told.

    Parameters
    ----------
    bedrock
        boto3 client of `bedrock`, in the Region that is called.
    model_id
        Model id, profile id or ARN.
    """
    try:
        answer = bedrock.get_inference_profile(inferenceProfileIdentifier=model_id)
    # What is wrong with a model, a right or the network is for `batchbook doctor` to say.
    except (BotoCoreError, ClientError, StorageError):
        return []
    return [model["modelArn"] for model in answer["models"]]

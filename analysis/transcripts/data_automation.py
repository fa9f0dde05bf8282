"""Outputs of Amazon Bedrock Data Automation for recordings: the standard one, and that of a blueprint.

Source: Amazon Bedrock User Guide, "Audio" below "Standard output in Bedrock Data Automation", and recorded files.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl
from msgspec import Struct

from analysis.errors import CallsError
from analysis.transcripts.calls import Call, Millis, Turn

STANDARD, CUSTOM = "data_automation", "data_automation_custom"


class Metadata(Struct):
    """The recording that was processed."""

    s3_key: str | None = None
    semantic_modality: str | None = None
    duration_millis: Millis | None = None
    dominant_asset_language: str | None = None


class Speaker(Struct):
    """The label of a speaker."""

    speaker_label: str | None = None


class DataAutomationChannel(Struct):
    """The label of a channel."""

    channel_label: str | None = None


class DataAutomationSegment(Struct):
    """A stretch of speech of one speaker without a longer pause."""

    text: str | None = None
    start_timestamp_millis: Millis | None = None
    end_timestamp_millis: Millis | None = None
    speaker: Speaker | None = None
    channel: DataAutomationChannel | None = None

    def read_turn(self) -> Turn:
        """Convert the segment to a turn."""
        speaker = (self.speaker and self.speaker.speaker_label) or (self.channel and self.channel.channel_label)
        return Turn(speaker or None, self.text or "", self.start_timestamp_millis, self.end_timestamp_millis)


class Representation(Struct):
    """The text of a transcript."""

    text: str | None = None


class Transcript(Struct):
    """The transcript of the whole recording."""

    representation: Representation | None = None


class Audio(Struct):
    """Summary and transcript of the whole recording."""

    summary: str | None = None
    transcript: Transcript | None = None

    def read_text(self) -> str:
        """Return the text of the whole recording."""
        representation = self.transcript.representation if self.transcript else None
        return (representation.text or "") if representation else ""


class StandardOutput(Struct):
    """The standard output of one recording."""

    metadata: Metadata
    audio_segments: list[DataAutomationSegment] | None = None
    audio: Audio | None = None

    def read_calls(self) -> Iterable[Call]:
        """Read the one call."""
        audio, metadata = self.audio or Audio(), self.metadata
        if metadata.semantic_modality not in {None, "AUDIO"}:
            raise CallsError("", f"the output of {metadata.semantic_modality}, not of AUDIO", "leave the file out")
        yield Call(
            call_id=metadata.s3_key or "",
            source_format=STANDARD,
            turns=[part.read_turn() for part in self.audio_segments or []] or [Turn(None, audio.read_text())],
            language=metadata.dominant_asset_language,
            duration_ms=metadata.duration_millis,
            summary=audio.summary,
        )


class Inference(Struct):
    """The fields of the blueprint for conversations."""

    call_summary: str | None = None
    call_categories: list[str] | None = None


class BlueprintOutput(Struct):
    """The output of a blueprint for one recording, without its transcript."""

    inference_result: Inference
    metadata: Metadata | None = None

    def read_calls(self) -> Iterable[Call]:
        """Read the one call, without turns."""
        language = self.metadata.dominant_asset_language if self.metadata else None
        found = self.inference_result
        yield Call("", CUSTOM, [], language, categories=found.call_categories, summary=found.call_summary)


class JobMetadata(Struct):
    """The list of a job's outputs, in the folder above them."""

    output_metadata: Any = None

    def read_calls(self) -> Iterable[Call]:
        """Return no calls: the list has none."""
        return ()


def join_blueprints(calls: pl.DataFrame) -> pl.DataFrame:
    """Join each call with the blueprint's output in its folder, or in the `custom_output` beside it."""
    place = pl.col("source_file").str.replace("[^/]*$", "").str.replace("custom_output", "standard_output")
    own = calls.with_columns(
        place=pl.when(pl.col("source_format").is_in([STANDARD, CUSTOM])).then(place), number=pl.int_range(pl.len())
    )
    # Where a folder has two calls or two blueprints, it is unclear which belong together, so none is joined.
    once = pl.struct("place", "source_format").is_unique()
    found = own.filter(pl.col("source_format") == CUSTOM, once)
    heard = own.filter(pl.col("source_format") == STANDARD, once)
    pairs = heard.join(found, on="place", suffix="_found").select(
        "number", "number_found", "summary_found", "categories_found"
    )
    joined = own.join(pairs.drop("number_found"), on="number", how="left", maintain_order="left").with_columns(
        pl.coalesce(f"{name}_found", name).alias(name) for name in ("summary", "categories")
    )
    # A blueprint that was joined is not a call of its own.
    return joined.filter(~pl.col("number").is_in(pairs["number_found"].implode())).select(calls.columns)

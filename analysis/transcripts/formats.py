"""The shapes of documents that services write: how each is recognized, and which fields become which columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct

from analysis.transcripts import (
    assemblyai,
    azure_speech,
    call_analytics,
    connect_chat,
    contact_lens,
    corpora,
    data_automation,
    deepgram,
    genesys,
    health_scribe,
    post_call_analytics,
    transcribe,
    whisper,
)

Keys = Mapping[str, Raw]
DECODE_ERRORS = (ValueError, OverflowError, RecursionError, OSError)  # OSError: a time that the system cannot count
IDS = {"call_id", "contact_id", "conversation_id", "id"}  # of tables of calls, which Whisper's files do not have
EVENT = "an event of Contact Lens"  # that a stream begins or ends with: not worth a word where it has none
WORDS_ALONE = {"text", "language", "segments"}  # of Whisper, where nothing was said


class Format(NamedTuple):
    """A shape of documents, with the fields that become columns; of several for one column the first that is there."""

    title: str
    source_format: str
    fits: Callable[[Keys], bool]
    kind: Any
    fields: Mapping[str, tuple[str, ...]] = MappingProxyType({})


def of_turns(place: str, **fields: str) -> dict[str, tuple[str, ...]]:
    """Put the place of the turns before the names of their fields; those of one column are divided by spaces."""
    return {column: tuple(f"{place}{name}" for name in names.split()) for column, names in fields.items()}


class ParticipantId(Struct, rename="pascal"):
    """The field that turns of Contact Lens have and those of Call Analytics do not."""

    participant_id: Any = None


def has_field(keys: Keys, name: str, field: str) -> bool:
    """Return whether the object under a key has a field."""
    try:
        return field in msgspec.json.decode(keys.get(name, Raw(b"{}")), type=dict[str, Raw])
    except DECODE_ERRORS:
        return False


def has_participant_ids(keys: Keys) -> bool:
    """Return whether turns or participants have ids, as those of Contact Lens do."""
    try:
        lists = [
            msgspec.json.decode(keys.get(name, Raw(b"[]")), type=list[ParticipantId])
            for name in ("Participants", "Transcript")
        ]
    except DECODE_ERRORS:
        return False
    return any(one.participant_id is not None for each in lists for one in each)


def is_analysis(keys: Keys) -> bool:
    """Return whether a file is of Contact Lens, by the contact that it is about."""
    return "CustomerMetadata" in keys


def has_segments(keys: Keys) -> bool:
    """Return whether segments have times and words, or the file has but the words and their language."""
    if IDS & set(keys):
        return False
    try:
        name = "chunks" if "chunks" in keys else "segments"
        parts = msgspec.json.decode(keys.get(name, Raw(b"[]")), type=list[whisper.WhisperSegment])
    except DECODE_ERRORS:
        return False
    return any(part.text and (part.start or part.end or part.timestamp) for part in parts) or keys.keys() == WORDS_ALONE


def has_contents(keys: Keys) -> bool:
    """Return whether turns have their words where Call Analytics writes them, and no table does."""
    try:
        turns = msgspec.json.decode(keys.get("Transcript", Raw(b"[]")), type=list[call_analytics.Content])
    except DECODE_ERRORS:
        return False
    return any(turn.content is not None for turn in turns)


# The first match counts: a file of Contact Lens also has the `Transcript` by which Call Analytics is recognized.
FORMATS: list[Format] = [
    Format(
        "Amazon Connect chats",
        "connect_chat",
        lambda keys: (
            bool({"ContactId", "InitialContactId"} & set(keys)) and "Transcript" in keys and not is_analysis(keys)
        ),
        connect_chat.ConnectChat,
        {
            "call_id": ("ContactId", "Transcript[].ContactId", "InitialContactId"),
            "started_at": ("Transcript[].AbsoluteTime",),
        }
        | of_turns("Transcript[].", speaker="ParticipantRole ParticipantId", text="Content", begin_ms="AbsoluteTime"),
    ),
    Format(
        "Contact Lens",
        "contact_lens",
        lambda keys: is_analysis(keys) or has_participant_ids(keys),
        contact_lens.ContactLensAnalysis,
        {
            "call_id": ("CustomerMetadata.ContactId", "ContactId"),
            "language": ("LanguageCode",),
            "channel": ("Channel",),
            "duration_s": ("ConversationCharacteristics.TotalConversationDurationMillis",),
            "agent_sentiment": ("ConversationCharacteristics.Sentiment.OverallSentiment.AGENT",),
            "customer_sentiment": ("ConversationCharacteristics.Sentiment.OverallSentiment.CUSTOMER",),
            "redacted": ("ContentMetadata.Output",),
            "categories": ("Categories.MatchedCategories",),
            "summary": ("ConversationCharacteristics.ContactSummary.PostContactSummary.Content",),
        }
        | of_turns(
            "Transcript[].",
            speaker="ParticipantRole ParticipantId",
            text="Content",
            begin_ms="BeginOffsetMillis",
            end_ms="EndOffsetMillis",
            sentiment="Sentiment",
        ),
    ),
    Format(
        "Call Analytics",
        "call_analytics",
        lambda keys: bool({"JobName", "JobStatus", "ConversationCharacteristics"} & set(keys)) or has_contents(keys),
        call_analytics.CallAnalyticsOutput,
        {
            "call_id": ("JobName",),
            "language": ("LanguageCode",),
            "channel": ("Channel",),
            "duration_s": ("ConversationCharacteristics.TotalConversationDurationMillis",),
            "agent_sentiment": ("ConversationCharacteristics.Sentiment.OverallSentiment.AGENT",),
            "customer_sentiment": ("ConversationCharacteristics.Sentiment.OverallSentiment.CUSTOMER",),
            "redacted": ("ContentMetadata.Output",),
            "categories": ("Categories.MatchedCategories",),
            "summary": (
                "ContactSummary.AutoGenerated.OverallSummary.Content",
                "ConversationCharacteristics.ContactSummary.PostContactSummary.Content",
            ),
        }
        | of_turns(
            "Transcript[].",
            speaker="ParticipantRole",
            text="Content",
            begin_ms="BeginOffsetMillis",
            end_ms="EndOffsetMillis",
            sentiment="Sentiment",
        ),
    ),
    Format(
        "real-time segments of Contact Lens",
        "contact_lens_real_time",
        lambda keys: "Segments" in keys,
        contact_lens.RealTimeSegments,
        {
            "call_id": ("ContactId",),
            "language": ("LanguageCode",),
            "channel": ("Channel",),
            "categories": ("Segments[].Categories.MatchedCategories",),
            "summary": ("Segments[].PostContactSummary.Content",),
        }
        | of_turns(
            "Segments[].Transcript.",
            speaker="ParticipantRole ParticipantId",
            text="Content",
            begin_ms="BeginOffsetMillis",
            end_ms="EndOffsetMillis",
            sentiment="Sentiment",
        ),
    ),
    Format(
        EVENT,
        "",
        lambda keys: "ContactId" in keys and bool({"EventType", "StreamingEventType"} & set(keys)),
        contact_lens.StreamEvent,
    ),
    Format(
        "Amazon Transcribe",
        "transcribe",
        lambda keys: "jobName" in keys or has_field(keys, "results", "transcripts"),
        transcribe.TranscribeOutput,
        {"call_id": ("jobName",), "language": ("results.language_code",), "redacted": ("isRedacted",)}
        | of_turns(
            "results.audio_segments[].",
            speaker="speaker_label channel_label",
            text="transcript",
            begin_ms="start_time",
            end_ms="end_time",
        ),
    ),
    Format(
        "a response of an API",
        "",
        lambda keys: bool({"TranscriptionJob", "CallAnalyticsJob"} & set(keys)),
        transcribe.JobDescription,
    ),
    Format(
        "Bedrock Data Automation",
        "data_automation",
        lambda keys: has_field(keys, "metadata", "semantic_modality") or "audio_segments" in keys,
        data_automation.StandardOutput,
        {
            "call_id": ("metadata.s3_key",),
            "language": ("metadata.dominant_asset_language",),
            "duration_s": ("metadata.duration_millis",),
            "summary": ("audio.summary",),
        }
        | of_turns(
            "audio_segments[].",
            speaker="speaker.speaker_label channel.channel_label",
            text="text",
            begin_ms="start_timestamp_millis",
            end_ms="end_timestamp_millis",
        ),
    ),
    Format(
        "a blueprint's output",
        "data_automation_custom",
        lambda keys: "inference_result" in keys,
        data_automation.BlueprintOutput,
        {"summary": ("inference_result.call_summary",), "categories": ("inference_result.call_categories",)},
    ),
    Format("a job's metadata", "", lambda keys: "output_metadata" in keys, data_automation.JobMetadata),
    Format(
        "HealthScribe",
        "health_scribe",
        lambda keys: has_field(keys, "Conversation", "TranscriptSegments"),
        health_scribe.HealthScribeOutput,
        {
            "call_id": ("Conversation.ConversationId", "Conversation.JobName"),
            "language": ("Conversation.LanguageCode",),
        }
        | of_turns(
            "Conversation.TranscriptSegments[].",
            speaker="ParticipantDetails.ParticipantRole",
            text="Content",
            begin_ms="BeginAudioTime",
            end_ms="EndAudioTime",
        ),
    ),
    Format("notes of HealthScribe", "", lambda keys: "ClinicalDocumentation" in keys, health_scribe.ClinicalNotes),
    Format(
        "Post Call Analytics",
        "post_call_analytics",
        lambda keys: "ConversationAnalytics" in keys,
        post_call_analytics.PostCallOutput,
        {
            "call_id": ("ConversationAnalytics.GUID",),
            "language": ("ConversationAnalytics.LanguageCode",),
            "duration_s": ("ConversationAnalytics.Duration",),
            "started_at": ("ConversationAnalytics.ConversationTime",),
            "categories": ("ConversationAnalytics.CategoriesDetected[].Name",),
            "summary": ("ConversationAnalytics.Summary.Summary",),
            "speaker": ("ConversationAnalytics.SpeakerLabels[].DisplayText", "SpeechSegments[].SegmentSpeaker"),
        }
        | of_turns(
            "SpeechSegments[].",
            text="DisplayText OriginalText",
            begin_ms="SegmentStartTime",
            end_ms="SegmentEndTime",
            sentiment="SentimentIsPositive SentimentIsNegative",
        ),
    ),
    Format(
        "Genesys Cloud",
        "genesys_cloud",
        lambda keys: "transcripts" in keys and "conversationId" in keys,
        genesys.GenesysOutput,
        {
            "call_id": ("conversationId",),
            "language": ("transcripts[].language",),
            "channel": ("mediaType",),
            "duration_s": ("duration.milliseconds",),
            "started_at": ("startTime", "transcripts[].phrases[].startTimeMs"),
        }
        | of_turns(
            "transcripts[].phrases[].",
            speaker="participantPurpose",
            text="text",
            begin_ms="startTimeMs",
            end_ms="duration.milliseconds",
        ),
    ),
    Format(
        "Deepgram",
        "deepgram",
        lambda keys: has_field(keys, "results", "channels"),
        deepgram.DeepgramOutput,
        {
            "call_id": ("metadata.request_id",),
            "language": ("results.channels[].detected_language",),
            "duration_s": ("metadata.duration",),
            "summary": ("results.summary.short",),
        }
        | of_turns("results.utterances[].", speaker="speaker", text="transcript", begin_ms="start", end_ms="end"),
    ),
    Format(
        "AssemblyAI",
        "assemblyai",
        lambda keys: {"id", "status", "text"} <= set(keys) and bool({"audio_url", "utterances"} & set(keys)),
        assemblyai.AssemblyOutput,
        {
            "call_id": ("id",),
            "language": ("language_code",),
            "duration_s": ("audio_duration",),
            "redacted": ("redact_pii",),
            "summary": ("summary",),
        }
        | of_turns("utterances[].", speaker="speaker channel", text="text", begin_ms="start", end_ms="end"),
    ),
    Format(
        "Azure AI Speech",
        "azure_speech",
        lambda keys: "recognizedPhrases" in keys or {"combinedPhrases", "phrases"} <= set(keys),
        azure_speech.AzureOutput,
        {
            "call_id": ("source",),
            "language": ("recognizedPhrases[].locale",),
            "duration_s": ("durationMilliseconds", "durationInTicks"),
        }
        | of_turns(
            "recognizedPhrases[].",
            speaker="speaker",
            text="nBest[].display",
            begin_ms="offsetMilliseconds offsetInTicks",
            end_ms="durationMilliseconds durationInTicks",
        ),
    ),
    Format(
        "whisper.cpp",
        "whisper_cpp",
        lambda keys: {"transcription", "result"} <= set(keys),
        whisper.WhisperCppOutput,
        {"language": ("result.language",)}
        | of_turns("transcription[].", speaker="speaker", text="text", begin_ms="offsets.from", end_ms="offsets.to"),
    ),
    Format("HarperValleyBank", "harper_valley", lambda keys: {"sid", "segments"} <= set(keys), corpora.HarperValley),
    Format("ABCD", "abcd", lambda keys: {"convo_id", "original"} <= set(keys), corpora.AbcdChat),
    Format(
        "Whisper and WhisperX",
        "whisper",
        has_segments,
        whisper.WhisperOutput,
        {"language": ("language",), "duration_s": ("duration",)}
        | of_turns("segments[].", speaker="speaker", text="text", begin_ms="start", end_ms="end"),
    ),
]
SERVICES = [each.title for each in FORMATS if each.fields and each.title[0].isupper()]
READABLE = f"documents of {', '.join(SERVICES)} can be read, and tables of calls; convert others to .jsonl or .txt"

"""The emulator's account: its folder, region, clock and responder, which every operation gets."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from bedrock_local.files import delete_old, link_or_copy, restrict_to_owner, temporary_path
from bedrock_local.inference import Pieces, Question, Reply, ReplyStream, Responder, Stop, count_tokens, stream_reply
from bedrock_local.models import ALL_MODELS, Model, find_model
from bedrock_local.profiles import find_profile
from bedrock_local.protocol.errors import ServiceError, SettingsError
from bedrock_local.protocol.surrogates import has_lone_surrogate
from bedrock_local.responders import selection
from bedrock_local.responders.concurrency import find_semaphore
from bedrock_local.settings import Settings, read_settings, write_settings

# AWS General Reference, "Amazon Resource Names": what stands for `aws` where a region's name begins so.
PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
CONTENT = ("s3", "state", "settings.json")
FOLDER_ID = "state/folder-id"
ABANDONED_SECONDS = 24 * 3600.0
STOPS = get_args(Stop)
# As on demand in 2026; whether Create says the same is not known.
ENDED = "This model version has reached the end of its life. Please refer to the AWS documentation for more details."
NO_RESPONDER = (
    "No responder is configured in this process: the folder's settings say responder = worker. Open the folder with "
    "responder=..., or set responder to extract, the URL of an endpoint or a file of recorded answers."
)


@dataclass(frozen=True)
class Emulator:
    """One account in one region, in a folder.

    Attributes
    ----------
    folder
        Contains `settings.json`, the buckets in `s3`, and `state`.
    responder
        Responder of this process; when missing, the folder's settings name one.
    now
        The clock, in seconds since 1970.
    fixed_settings
        Settings for the length of one request; read from the folder each time when missing.
    """

    folder: Path
    region: str = "us-east-1"
    responder: Responder | None = None
    now: Callable[[], float] = time.time
    fixed_settings: Settings | None = None

    @property
    def settings(self) -> Settings:
        """The fixed settings, else those that are in the folder now."""
        return self.fixed_settings or read_settings(self.folder)

    def fix_settings(self) -> Emulator:
        """Read the settings, and return an emulator with these: a request reads them once, and sees one version."""
        return replace(self, fixed_settings=self.settings)

    def find_responder(self) -> Responder | None:
        """Return the responder of this process, else the one that the settings name; None when that is `worker`.

        Raise a SettingsError when the settings, or the file that they name, cannot be used.
        """
        if self.responder is not None:
            return self.responder
        settings = self.settings
        model, workers = settings.responder_model, settings.responder_workers
        try:
            return selection.find_responder(settings.responder, folder=self.folder, model=model, workers=workers)
        except ValueError as error:
            raise SettingsError(str(error)) from error

    def find_model(self, model_id: str) -> Model | None:
        """Find the model of an id, profile id or ARN, by the settings: one that has ended may be refused.

        None for an unknown id; where `strict`, also for an id of tomorrow.
        """
        profile = find_profile(self.folder, model_id, self.region)
        model, settings = find_model(profile.model if profile else model_id), self.settings
        if model is None or (settings.strict and model.base not in ALL_MODELS):
            return None
        today = datetime.fromtimestamp(self.now(), UTC).date()
        if model.ends and model.ends <= today and settings.choose_ended_models() == "refuse":
            raise ServiceError("ResourceNotFoundException", ENDED)
        return model

    def ask(self, question: Question) -> Reply:
        """Answer a question by the responder; an exception of the responder is an error of the model.

        A question for no tokens, as for a vector, is answered without it.
        """
        if not question.max_tokens:
            return Reply("", "end", 0, 0)
        responder = self._require_responder()
        try:
            # Requests on demand and records of jobs share the limit on concurrent calls of a responder.
            with find_semaphore(responder):
                reply = responder(question)
        except ServiceError:
            raise
        except Exception as error:
            raise make_model_error(error) from error
        check_reply(reply)
        return reply

    def ask_stream(self, question: Question) -> ReplyStream:
        """Answer a question by a stream, which begins when its first piece is there: until then an error is raised.

        A responder that has no `stream` is asked for the whole reply.
        """
        responder = self._require_responder()
        start: Callable[[Question], Pieces] | None = getattr(responder, "stream", None)
        if start is None:
            return stream_reply(self.ask(question))
        counted = count_tokens(question.system) + count_tokens(question.text)
        return ReplyStream(begin(take_pieces(responder, start, question)), counted)

    def _require_responder(self) -> Responder:
        responder = self.find_responder()
        if responder is None:
            raise ServiceError("ModelNotReadyException", NO_RESPONDER)
        return responder

    @property
    def partition(self) -> str:
        """The partition of AWS to which the region belongs."""
        return next((name for start, name in PARTITIONS.items() if self.region.startswith(start)), "aws")

    @property
    def folder_id(self) -> str:
        """A random text that tells the folder from other emulators; it stays when the folder is moved."""
        return (self.folder / FOLDER_ID).read_text("ascii")

    @property
    def account(self) -> str:
        """The number of the account."""
        return self.settings.account

    def arn(self, resource: str) -> str:
        """Return the ARN of a resource that the account has in Bedrock."""
        return f"arn:{self.partition}:bedrock:{self.region}:{self.account}:{resource}"

    def model_arn(self, base: str) -> str:
        """Return the ARN of a model, which is of no account."""
        return f"arn:{self.partition}:bedrock:{self.region}::foundation-model/{base}"


def make_folder(folder: Path, settings: Settings | None = None) -> Path:
    """Create the folder, for its owner only, unless it exists; given settings replace the folder's."""
    folder = folder.expanduser().absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("s3", "state"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)
    if settings is not None or not (folder / "settings.json").exists():
        write_settings(folder, settings or Settings())
    if not (folder / FOLDER_ID).exists():
        write_folder_id(folder)
    # A folder with other files in it keeps its permissions; only what the emulator has in it is restricted.
    is_own = all(path.name in CONTENT for path in folder.iterdir())
    for path in (*([folder] if is_own else []), *(folder / name for name in CONTENT)):
        restrict_to_owner(path)
    delete_old([*folder.glob(".*.tmp"), *folder.glob("state/tmp/*")], ABANDONED_SECONDS)
    return folder


def write_folder_id(folder: Path) -> None:
    """Write the id of a folder; of two processes that make the folder together, the first one's counts."""
    with temporary_path(folder / "state") as temporary, suppress(FileExistsError):
        temporary.write_text(secrets.token_hex(8), "ascii")
        link_or_copy(temporary, folder / FOLDER_ID)


def take_pieces(responder: Responder, start: Callable[[Question], Pieces], question: Question) -> Pieces:
    """Yield the pieces of a responder's stream; it counts as one of its calls until the stream ends."""
    try:
        with find_semaphore(responder):
            reply = yield from start(question)
    except ServiceError:
        raise
    except Exception as error:
        raise make_model_error(error) from error
    check_reply(reply)
    return reply


def begin(pieces: Pieces) -> Pieces:
    """Take the first piece, and return all pieces."""
    try:
        first = next(pieces)
    except StopIteration as end:
        return finish(end.value)
    return resume(first, pieces)


def finish(reply: Reply) -> Pieces:
    """Return the pieces of a reply that has none."""
    yield from ()
    return reply


def resume(first: str, pieces: Pieces) -> Pieces:
    """Yield a piece, and those that follow it."""
    yield first
    return (yield from pieces)


def make_model_error(error: Exception) -> ServiceError:
    """Return what a client gets when a responder raises."""
    if isinstance(error, TimeoutError):
        return ServiceError("ModelTimeoutException", "The responder took too long.")
    return ServiceError("ModelErrorException", f"The responder failed: {describe_origin(error)}")


def describe_origin(error: Exception) -> str:
    """Return class and place of a responder's exception, without its text, which may quote the call."""
    called = error.__traceback__ and error.__traceback__.tb_next
    name = type(error).__name__
    if not called:
        return name
    code = called.tb_frame.f_code
    return f"{name} in {code.co_name} ({Path(code.co_filename).name}, line {called.tb_lineno})"


def check_reply(reply: object) -> None:
    """Check that a responder returned a Reply, with values that an answer can be made of."""
    if not isinstance(reply, Reply):
        reason = f"The responder returned {type(reply).__name__}, not a Reply of bedrock_local.inference."
        raise ServiceError("ModelErrorException", reason)
    for name, reason in find_reply_violations(reply):
        raise ServiceError("ModelErrorException", f"The responder returned a Reply whose {name} {reason}.")


def find_reply_violations(reply: Reply) -> Iterator[tuple[str, str]]:
    """Yield the fields of a reply that no answer can be made of, each with the reason."""
    if not isinstance(reply.text, str):
        yield "text", "is not a str"
    if not isinstance(reply.stop_sequence, str | None):
        yield "stop_sequence", "is neither a str nor None"
    for name in ("text", "stop_sequence"):
        text = getattr(reply, name)
        if isinstance(text, str) and has_lone_surrogate(text):
            yield name, "contains half of a surrogate pair, which is not a character"
    if reply.stop not in STOPS:
        yield "stop", f"is not one of {', '.join(STOPS)}"
    for name in ("input_tokens", "output_tokens"):
        tokens = getattr(reply, name)
        # Not isinstance: a bool is an int too.
        if type(tokens) is not int or tokens < 0:
            yield name, "is not a count"

"""POST /v1/audio/transcriptions, /v1/audio/translations and /v1/audio/speech."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Annotated, ClassVar, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.datastructures import Headers
from starlette.types import Scope, Send
from typing_extensions import override

from edge_rt.api.middleware.decode import invalid_body
from edge_rt.api.middleware.forms import read_form
from edge_rt.api.middleware.respond import EventStream, edge_headers, explain, send_bytes, send_json
from edge_rt.api.openai.unsupported import unknown_and_ignored, unsupported
from edge_rt.api.task import Received, TaskEndpoint
from edge_rt.core.errors import EdgeError, invalid, missing
from edge_rt.generation.speech import BACKENDS, SpeechModel
from edge_rt.generation.usage import Edge
from edge_rt.speech.protocol import Segment, Speak, Spoken, Task, Transcribe, Transcript

BodyT = TypeVar("BodyT", bound=msgspec.Struct)
_GRANULARITIES = "timestamp_granularities[]"
_SILENT = {_GRANULARITIES, "chunking_strategy", "include[]"}
_WARNINGS = 8  # of one request
_PLAIN = (b"content-type", b"text/plain; charset=utf-8")


class TranscriptionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of the form beside the `file`."""

    model: str = "default"
    """Name of the transcriber's file without its ending, "whisper-1" or "default"."""
    language: str | None = None
    """Language of the audio as in ISO 639-1, such as "en". Default: it is recognised."""
    prompt: str = ""
    """Text that may have come before, for names and style."""
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] = "json"
    """Form of the answer."""
    temperature: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Temperature at which tokens are drawn."""
    stream: bool = False
    """Whether segments are told as soon as they are complete."""


class AudioDuration(msgspec.Struct, frozen=True):
    """What is counted of a transcription."""

    seconds: float
    type: Literal["duration"] = "duration"


class HeardSegment(msgspec.Struct, frozen=True, kw_only=True):
    """Some words of a transcription; a figure that is not known is null."""

    id: int
    seek: int = 0
    start: float
    end: float
    text: str
    tokens: list[int] = []
    temperature: float
    avg_logprob: float | None
    compression_ratio: float | None = None
    no_speech_prob: float | None = None


class Transcription(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer; the last four fields are those of `verbose_json`."""

    text: str
    usage: AudioDuration
    edge: Edge
    task: Literal["transcribe", "translate"] | UnsetType = UNSET
    language: str | UnsetType = UNSET
    duration: float | UnsetType = UNSET
    segments: list[HeardSegment] | UnsetType = UNSET


class TranscriptDelta(msgspec.Struct, frozen=True):
    """The text of one segment, as it is streamed."""

    delta: str
    type: Literal["transcript.text.delta"] = "transcript.text.delta"


class TranscriptDone(msgspec.Struct, frozen=True):
    """The last event of a stream, with all of the text."""

    text: str
    usage: AudioDuration
    edge: Edge
    type: Literal["transcript.text.done"] = "transcript.text.done"


class SpeechRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A text to be spoken; a field that is null is a field left out."""

    input: str
    """The text."""
    model: str | None = None
    """Name of the voice's file without its ending, "tts-1" or "default"."""
    voice: str | dict[str, str] | None = None
    """Ignored: the file has one voice."""
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | None = None
    """Format of the sound; those other than wav and pcm need ffmpeg. Default: mp3, or wav without
    ffmpeg."""
    speed: Annotated[float, Meta(ge=0.25, le=4)] | None = None
    """How many times as fast as usual."""
    instructions: str | None = None
    """Refused: voices take none."""
    stream_format: Literal["audio", "sse"] | None = None
    """Only "audio"."""


class SpeechAnswer(NamedTuple):
    """The result of a request, and its cost."""

    result: Transcript | Spoken
    edge: Edge


Told = AsyncIterator[Segment | SpeechAnswer]


class SpeechEndpoint(TaskEndpoint[BodyT]):
    """What the companion does for a request."""

    async def run(
        self, request: Received, model: SpeechModel, make: Callable[[int], Task]
    ) -> AsyncGenerator[Segment | SpeechAnswer]:
        """Yield each segment of the task, and at last all of it."""
        request.exchange.model = model.id
        running = self.context.service.speech.run(model, make, request.exchange.app)
        async with aclosing(running) as told:
            async for event in told:
                if isinstance(event, Segment):
                    yield event
                    continue
                times, backend = event.timings, BACKENDS[model.ability]
                edge = self.booked(request, model.id, backend, times, event.cost)
                yield SpeechAnswer(event.result, edge)


class Transcriptions(SpeechEndpoint[TranscriptionRequest]):
    """Transcribe a sound file."""

    body = TranscriptionRequest
    values = False
    translates: ClassVar[bool] = False

    @override
    def limit(self, scope: Scope) -> int:
        return self.context.service.speech.settings.audio_bytes

    @override
    async def answer(self, request: Received, send: Send) -> None:
        kind = Headers(scope=request.scope).get("content-type", "")
        fields, files = await asyncio.to_thread(read_form, kind, request.body)
        asked = _checked(fields, request.exchange.warnings)
        if "file" not in files:
            raise missing("file")
        speech = self.context.service.speech
        model = speech.model("transcriber", asked.model)

        def make(threads: int) -> Transcribe:
            return Transcribe(
                str(model.path),
                threads,
                files["file"],
                speech.settings.audio_s,
                asked.language or None,
                self.translates,
                asked.prompt,
                asked.temperature,
            )

        async with aclosing(self.run(request, model, make)) as told:
            if asked.stream and asked.response_format in ("json", "text"):
                await _streamed(told, send)
            else:
                await self._sent(told, asked, send)

    async def _sent(self, told: Told, asked: TranscriptionRequest, send: Send) -> None:
        heard, edge = await _last(told)
        assert isinstance(heard, Transcript)
        segments, headers = heard.segments, edge_headers(edge)
        if (written := _written(asked.response_format, segments)) is not None:
            await send_bytes(send, written.encode(), headers=(_PLAIN, *headers))
            return
        usage = AudioDuration(heard.seconds)
        document = Transcription(text=_text(segments), usage=usage, edge=edge)
        if asked.response_format == "verbose_json":
            document = msgspec.structs.replace(
                document,
                task="translate" if self.translates else "transcribe",
                language=heard.language,
                duration=heard.seconds,
                segments=_documents(segments, asked.temperature),
            )
        await send_json(send, document, headers=headers)


class Translations(Transcriptions):
    """Translate the speech in a sound file to English, if the model can."""

    translates = True


class Speeches(SpeechEndpoint[SpeechRequest]):
    """Speak a text."""

    body = SpeechRequest

    @override
    async def answer(self, request: Received, send: Send) -> None:
        asked, speech = self.read(request), self.context.service.speech
        most = speech.settings.characters
        if not asked.input.strip():
            raise invalid("input", "expected a text")
        if len(asked.input) > most:
            raise invalid("input", f"expected at most {most} characters (speech.characters)")
        if asked.stream_format == "sse":
            raise unsupported("stream_format", "`stream_format`: only audio is sent.")
        if asked.instructions:
            raise unsupported("instructions", "`instructions` is not supported: leave it out.")
        model = speech.model("voice", asked.model or "default")

        def make(threads: int) -> Speak:
            speed = asked.speed or 1.0
            return Speak(str(model.path), threads, asked.input, speed, asked.response_format)

        spoken, edge = await _last(self.run(request, model, make))
        assert isinstance(spoken, Spoken)
        kind = (b"content-type", spoken.content_type.encode())
        await send_bytes(send, spoken.audio, headers=(kind, *edge_headers(edge)))


def _checked(fields: dict[str, str], warnings: list[str]) -> TranscriptionRequest:
    """Return the fields of a form as their types; raises RequestError."""
    if fields.get(_GRANULARITIES) == "word":
        raise unsupported(_GRANULARITIES, f"`{_GRANULARITIES}`: only segments have times.")
    known = TranscriptionRequest.__struct_fields__
    strange = fields.keys() - {*known, *_SILENT}
    warnings += [unknown_and_ignored("", name, known) for name in sorted(strange)[:_WARNINGS]]
    try:
        return msgspec.convert(fields, TranscriptionRequest, strict=False)
    except msgspec.ValidationError as error:
        raise invalid_body(str(error)) from None


async def _last(told: Told) -> SpeechAnswer:
    *_, answer = [event async for event in told]
    assert isinstance(answer, SpeechAnswer)
    return answer


async def _streamed(told: Told, send: Send) -> None:
    """Send each segment as it comes; an error after the first is the last event."""
    stream = EventStream(send)
    try:
        async for event in told:
            if isinstance(event, Segment):
                space = " " if stream.started else ""
                await stream.start()
                await stream.events([TranscriptDelta(f"{space}{event.text}")])
                continue
            heard, edge = event
            assert isinstance(heard, Transcript)
            await stream.start()
            usage = AudioDuration(heard.seconds)
            await stream.events([TranscriptDone(_text(heard.segments), usage, edge)])
            await stream.done()
    except EdgeError as error:
        if not stream.started:
            raise
        await stream.fail(explain(error))


def _documents(segments: list[Segment], temperature: float) -> list[HeardSegment]:
    return [
        HeardSegment(
            id=id,
            start=one.begin_s,
            end=one.end_s,
            text=one.text,
            temperature=temperature,
            avg_logprob=one.log_probability,
        )
        for id, one in enumerate(segments)
    ]


def _text(segments: list[Segment]) -> str:
    return " ".join(one.text for one in segments)


def _written(format: str, segments: list[Segment]) -> str | None:
    """Return a transcript as plain text or subtitles; None where it is to be a document."""
    if format == "text":
        return f"{_text(segments)}\n"
    if format not in ("srt", "vtt"):
        return None
    if format == "vtt":
        return "\n".join(("WEBVTT\n", *(_cue(one, ".") for one in segments)))
    return "\n".join(f"{n}\n{_cue(one, ',')}" for n, one in enumerate(segments, 1))


def _cue(segment: Segment, point: str) -> str:
    begin, end = _time(segment.begin_s, point), _time(segment.end_s, point)
    return f"{begin} --> {end}\n{segment.text}\n"


def _time(seconds: float, point: str) -> str:
    """Return a time of subtitles, as 00:01:02,345."""
    thousandths = round(1000 * seconds)
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"

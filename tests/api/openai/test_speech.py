"""Transcriptions and speech over HTTP, with a scripted service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from edge_rt.config.schema import Requests, Speech
from edge_rt.core.errors import Unavailable
from edge_rt.core.events import Timings
from edge_rt.core.requests import Cost
from edge_rt.generation.speech import SpeechDone, SpeechModel
from edge_rt.speech.protocol import Segment, Speak, Spoken, Task, Transcribe, Transcript

TOOK = Timings(0.5, 0.0, 2.0, 0, 0, 0), Cost(3.0, "measured", 5.0, None, 2.5)
WORDS = [Segment(0.0, 1.5, "Hello there.", -0.25), Segment(3723.004, 3724.0, "Good bye.")]
HEARD = Transcript(3725.0, "en", WORDS)
LIMIT = 4096


class FakeSpeech:
    """Plays `events`: exceptions are raised."""

    def __init__(self) -> None:
        self.settings = Speech(audio_bytes=LIMIT, characters=20)
        self.events: list[Any] = [*WORDS, SpeechDone(HEARD, *TOOK)]
        self.named: list[tuple[str, str]] = []
        self.tasks: list[Task] = []
        self.apps: list[str] = []
        self.waits = asyncio.Event()
        self.waits.set()

    def model(self, ability: Any, name: str) -> SpeechModel:
        self.named.append((ability, name))
        return SpeechModel(ability, Path(f"/models/{ability}.bin"))

    async def run(
        self, model: SpeechModel, make: Callable[[int], Task], app: str
    ) -> AsyncGenerator[Any, None]:
        self.apps.append(app)
        self.tasks.append(make(3))
        await self.waits.wait()
        for event in self.events:
            await asyncio.sleep(0)
            if isinstance(event, Exception):
                raise event
            yield event


@pytest.fixture
def speech(service: Any) -> FakeSpeech:
    service.speech = FakeSpeech()
    return service.speech


def form(file: bytes | None = b"RIFF", boundary: str = "-x-", **fields: str) -> dict[str, Any]:
    parts = [f'name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    if file is not None:
        parts.append(b'name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n' + file)
    head = f"--{boundary}\r\nContent-Disposition: form-data; ".encode()
    body = b"".join(head + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()
    return {"body": body, "headers": {"content-type": f"multipart/form-data; boundary={boundary}"}}


def transcribe(client: Any, path: str = "transcriptions", **fields: Any) -> Any:
    sent = form(**fields)
    return client.request("POST", f"/v1/audio/{path}", sent["body"], headers=sent["headers"])


def test_what_is_sent_comes_to_the_companion_and_its_text_back(client, speech) -> None:
    file = bytes(range(256)) + b"\r\n--other\r\n\r\n" + b"\r\n"
    answer = transcribe(
        client, file=file, model="whisper-1", language="en", prompt="Ann", temperature="0.5"
    )
    assert answer.status == 200
    assert answer.json()["text"] == "Hello there. Good bye."
    assert answer.json()["usage"] == {"type": "duration", "seconds": 3725.0}
    assert answer.json()["edge"]["energy_j"] == 3.0
    assert "segments" not in answer.json()
    assert speech.named == [("transcriber", "whisper-1")]
    path = "/models/transcriber.bin"
    assert speech.tasks == [Transcribe(path, 3, file, 600.0, "en", False, "Ann", 0.5)]


def test_it_counts_for_the_application_that_asks(client, speech) -> None:
    sent = form()
    headers = {**sent["headers"], "x-edge-app": "cam"}
    answer = client.request("POST", "/v1/audio/transcriptions", sent["body"], headers=headers)
    assert answer.status == 200
    assert speech.apps == ["cam"]


def test_a_file_takes_no_memory_for_values(make_client, service, speech) -> None:
    """JSON with as many commas would be decoded to more than all bodies may be."""
    client = make_client(Requests(body_bytes=4000, bodies_bytes=20_000))
    sent = form(b"," * (LIMIT // 2))

    async def run() -> Any:
        speech.waits.clear()
        path = "/v1/audio/transcriptions"
        heard = client.open("POST", path, sent["body"], headers=sent["headers"])
        while not speech.tasks:
            await asyncio.sleep(0)
        beside = await client.open("POST", "/v1/embeddings", {"input": "x"}).end()
        speech.waits.set()
        return (await heard.end()).status, beside.status

    assert asyncio.run(run()) == (200, 200)


def test_each_format_is_written_as_clients_read_it(client, speech) -> None:
    text = transcribe(client, response_format="text")
    assert text.body.decode() == "Hello there. Good bye.\n"
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert text.headers["x-edge-energy-j"] == "3.0"
    assert transcribe(client, response_format="srt").body.decode() == (
        "1\n00:00:00,000 --> 00:00:01,500\nHello there.\n\n"
        "2\n01:02:03,004 --> 01:02:04,000\nGood bye.\n"
    )
    assert transcribe(client, response_format="vtt").body.decode() == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHello there.\n\n"
        "01:02:03.004 --> 01:02:04.000\nGood bye.\n"
    )
    verbose = transcribe(client, response_format="verbose_json").json()
    assert (verbose["task"], verbose["language"], verbose["duration"]) == (
        "transcribe",
        "en",
        3725.0,
    )
    first, second = verbose["segments"]
    assert (first["id"], first["start"], first["end"]) == (0, 0.0, 1.5)
    assert (first["text"], first["avg_logprob"]) == ("Hello there.", -0.25)
    assert second["avg_logprob"] is second["no_speech_prob"] is None


def test_translations_are_asked_for(client, speech) -> None:
    answer = transcribe(client, "translations", response_format="verbose_json")
    assert answer.json()["task"] == "translate"
    assert speech.tasks[0].translate


def test_segments_are_streamed_with_the_whole_text_at_last(client, speech) -> None:
    *told, end = transcribe(client, stream="true").events()
    assert end == "[DONE]"
    assert [one["type"] for one in told] == ["transcript.text.delta"] * 2 + ["transcript.text.done"]
    assert "".join(one.get("delta", "") for one in told) == told[-1]["text"]
    assert told[-1]["usage"]["seconds"] == 3725.0


def test_a_loss_before_the_first_segment_is_a_status_and_later_an_event(client, speech) -> None:
    lost = Unavailable("it ended", retry_after_s=1.0, code="speech_lost")
    speech.events = [lost]
    answer = transcribe(client, stream="true")
    assert (answer.status, answer.json()["error"]["code"]) == (503, "speech_lost")
    speech.events = [WORDS[0], lost]
    answer = transcribe(client, stream="true")
    assert answer.status == 200
    assert answer.events()[-1]["error"]["code"] == "speech_lost"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"file": None}, "file"),
        ({"response_format": "doc"}, "response_format"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": "2"}, "temperature"),
        ({"stream": "perhaps"}, "stream"),
        ({"timestamp_granularities[]": "word"}, "timestamp_granularities[]"),
    ],
)
def test_what_cannot_be_done_is_refused_by_its_field(client, speech, fields, param) -> None:
    answer = transcribe(client, **fields)
    assert (answer.status, answer.json()["error"]["param"]) == (400, param)
    assert not speech.tasks


def test_an_unknown_field_is_ignored_with_a_warning(client, speech) -> None:
    answer = transcribe(client, languege="en", chunking_strategy="auto")
    assert answer.status == 200
    assert "languege" in answer.headers["x-edge-warning"]
    assert "language" in answer.headers["x-edge-warning"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"--x--"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--x\r\nno name\r\n\r\n1\r\n--x--"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=a"),
        ("multipart/form-data; boundary=x", b"--x\r\na:b\r\n\r\n1\r\n" * 70 + b"--x--"),
    ],
)
def test_what_is_no_form_is_refused(client, speech, kind: str, body: bytes) -> None:
    headers = {"content-type": kind}
    answer = client.request("POST", "/v1/audio/transcriptions", body, headers=headers)
    assert (answer.status, answer.json()["error"]["code"]) == (400, "invalid_form")


def test_too_large_a_file_is_refused(client, speech) -> None:
    assert transcribe(client, file=bytes(LIMIT)).status == 413


# --- speech


def speak(client: Any, **fields: Any) -> Any:
    return client.post("/v1/audio/speech", {"input": "Hello", **fields})


def test_a_text_is_spoken_with_its_cost_in_the_headers(client, speech) -> None:
    speech.events = [SpeechDone(Spoken(b"sound", "audio/mpeg", 1.0), *TOOK)]
    answer = speak(client, model="tts-1", voice="alloy", response_format="mp3", speed=1.5)
    assert (answer.status, answer.body) == (200, b"sound")
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.headers["x-edge-energy-j"] == "3.0"
    assert speech.named == [("voice", "tts-1")]
    assert speech.tasks == [Speak("/models/voice.bin", 3, "Hello", 1.5, "mp3")]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": " "}, "input"),
        ({"input": "x" * 21}, "input"),
        ({"response_format": "doc"}, "response_format"),
        ({"speed": 9}, "speed"),
        ({"stream_format": "sse"}, "stream_format"),
        ({"instructions": "sing"}, "instructions"),
    ],
)
def test_what_cannot_be_spoken_is_refused_by_its_field(client, speech, fields, param) -> None:
    answer = speak(client, **fields)
    assert (answer.status, answer.json()["error"]["param"]) == (400, param)
    assert not speech.tasks

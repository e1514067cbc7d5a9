"""Have a text spoken by a server of the Wyoming protocol, and what it said written down."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.tts import Synthesize


async def events(address: str, *sent: Event) -> AsyncIterator[Event]:
    async with AsyncClient.from_uri(address) as client:
        for event in sent:
            await client.write_event(event)
        while (event := await client.read_event()) is not None:
            yield event


async def first(address: str, kind: str, *sent: Event) -> Event:
    async for event in events(address, *sent):
        if event.type == kind:
            return event
    raise EOFError(kind)


async def main(address: str, text: str) -> None:
    info = Info.from_event(await first(address, "info", Describe().event()))
    chunks: list[AudioChunk] = []
    async for event in events(address, Synthesize(text=text).event()):
        if AudioStop.is_type(event.type):
            break
        if AudioChunk.is_type(event.type):
            chunks.append(AudioChunk.from_event(event))
    one = chunks[0]
    told = await first(
        address,
        "transcript",
        Transcribe(language="en").event(),
        AudioStart(rate=one.rate, width=one.width, channels=one.channels).event(),
        *(chunk.event() for chunk in chunks),
        AudioStop().event(),
    )
    models = [model.name for program in info.asr for model in program.models]
    voices = [voice.name for program in info.tts for voice in program.voices]
    print(json.dumps([models, voices, Transcript.from_event(told).text]))


asyncio.run(main(*sys.argv[1:]))

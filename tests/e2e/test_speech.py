"""Speech in and out of a real daemon: a voice speaks, and what it said is written down."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import wave
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

import openai
import psutil
import pytest
from client_environment import PROGRAMS, client_environment, other_python
from speech_models import speech_models

pytestmark = [pytest.mark.slow, pytest.mark.heavy]

SENTENCE = "Please switch on the lamp in the kitchen, and close the window."
# The kernel refuses what a unit with MemoryDenyWriteExecute= is refused: PR_SET_MDWE of prctl(2).
GUARDED = """
import ctypes, os, sys
if ctypes.CDLL(None, use_errno=True).prctl(65, 1, 0, 0, 0):
    sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[1], sys.argv[1:])
"""
SENTENCES = (
    "The quick brown fox jumps over the lazy dog.",
    "Please bring me a glass of cold water.",
    "It will rain in the north of the country tomorrow.",
    "She sold her old car and bought a bicycle.",
    "The train to the city leaves at half past seven.",
    "My brother works in a small hospital near the river.",
    "We need more chairs for the meeting in the morning.",
    "Turn the heating down before you leave the house.",
    "The children played in the garden until it was dark.",
    "He forgot to lock the door of his office again.",
    "Fresh bread and butter is all that I want for breakfast.",
    "The museum is closed on Monday, but the park is open.",
    "Could you tell me the way to the nearest station?",
    "A strong wind blew the leaves across the street.",
    "They have lived in the same village for twenty years.",
    "The battery of the robot lasts for about six hours.",
    "I read the first chapter of the book last night.",
    "Nobody knows why the lights went out at midnight.",
    "The doctor told him to drink less coffee.",
    "Set a timer for fifteen minutes and call me then.",
)
_NUMBERS = {"7": "seven", "20": "twenty", "15": "fifteen", "6": "six"}


@pytest.fixture(scope="module")
def models(cache: Path) -> Any:
    return speech_models(cache)


@pytest.fixture(scope="module")
def board(make_board) -> Iterator[Path]:
    with make_board("jetson-orin-nano-8gb") as root:
        yield root


@pytest.fixture(scope="module")
def speaker(make_daemon, models, board, tools) -> Iterator[Any]:
    """A daemon with ears and voice, on a board whose idle draw is known."""
    through = [sys.executable, "-c", GUARDED]
    sections = {"speech": models.section, "sensors": {"root": str(board)}}
    daemon = make_daemon(through=through, tcp={"listen": "127.0.0.1:0"}, **sections)

    def rested() -> float | None:
        supply = daemon.http.get("/edge/v1/board").json()["supply"]
        return supply and supply["idle_w"]

    tools.eventually(rested, "the board's rest is seen")
    yield daemon
    daemon.close()


@pytest.fixture(scope="module")
def spoken(speaker) -> bytes:
    return say(speaker, SENTENCE)


def say(daemon: Any, text: str, format: str = "wav") -> bytes:
    asked = daemon.sdk().audio.speech
    return asked.create(model="tts-1", voice="alloy", input=text, response_format=format).content


def hear(daemon: Any, sound: bytes, **fields: Any) -> Any:
    file = ("sound", io.BytesIO(sound))
    return daemon.sdk().audio.transcriptions.create(model="whisper-1", file=file, **fields)


def spent_s(process: psutil.Process | None) -> float:
    """Return the processor's seconds that the process has had; 0 where there is none."""
    return 0.0 if process is None else process.cpu_times().user


def last(daemon: Any) -> list[dict[str, Any]]:
    """Return the last requests of the ledger, the newest first."""
    return daemon.http.get("/edge/v1/ledger?days=2&last=99").json()["last"]


def repeated(sound: bytes, times: int) -> bytes:
    """Return a WAV file that has another so many times."""
    buffer = io.BytesIO()
    with wave.open(io.BytesIO(sound)) as given, wave.open(buffer, "wb") as file:
        file.setparams(given.getparams())
        file.writeframes(given.readframes(given.getnframes()) * times)
    return buffer.getvalue()


def words(text: str) -> list[str]:
    found = re.findall(r"[a-z0-9']+", text.lower())
    return [_NUMBERS.get(one, one) for one in found]


def errors(said: list[str], heard: list[str]) -> int:
    """Return the fewest words to insert, drop or change (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for at, one in enumerate(said, 1):
        before, row = row, [at]
        for place, other in enumerate(heard, 1):
            changed = before[place - 1] + (one != other)
            row.append(min(changed, before[place] + 1, row[place - 1] + 1))
    return row[-1]


def companion(daemon: Any) -> psutil.Process | None:
    """Return the process for speech, where there is one."""
    for child in psutil.Process(daemon.process.pid).children():
        if "edge_rt.speech.worker" in child.cmdline():
            return child
    return None


@pytest.mark.parametrize("format", ["wav", "mp3", "opus"])
def test_what_the_voice_says_is_written_down(speaker, format: str) -> None:
    heard = hear(speaker, say(speaker, SENTENCE, format))
    assert words(heard.text) == words(SENTENCE)


def test_subtitles_and_a_stream_have_the_same_words(speaker, spoken: bytes) -> None:
    subtitles = hear(speaker, spoken, response_format="srt")
    assert words(subtitles.splitlines()[2])[:4] == words(SENTENCE)[:4]
    verbose = hear(speaker, spoken, response_format="verbose_json")
    ends = [0.0, *(time for one in verbose.segments for time in (one.start, one.end))]
    assert ends == sorted(ends)
    assert ends[-1] <= verbose.duration
    events = list(hear(speaker, spoken, stream=True))
    assert words(events[-1].text) == words(SENTENCE)


def test_both_are_booked_with_the_joules_that_they_took(speaker, spoken: bytes, tools) -> None:
    def known() -> Any:
        """Ask for both; where the board was read too seldom meanwhile, no joules are known."""
        heard = hear(speaker, spoken)
        say(speaker, SENTENCE)
        booked = last(speaker)[:2]
        return None not in [one["energy_j"] for one in booked] and (heard, booked)

    heard, (voice, transcriber) = tools.eventually(known, "both joules are known", tries=9)
    assert (voice["model"], transcriber["model"]) == ("en_US-joe-medium", "tiny.en")
    for booked in (voice, transcriber):
        assert booked["status"] == "done"
        assert booked["energy_j"] > 0.0
        assert 0.0 < booked["busy_s"] <= booked["seconds"]
    assert heard.edge["energy_j"] == pytest.approx(transcriber["energy_j"], abs=1e-3)


def test_a_language_that_the_model_does_not_know_is_refused(speaker, spoken: bytes) -> None:
    with pytest.raises(openai.BadRequestError, match="English alone"):
        hear(speaker, spoken, language="de")
    with pytest.raises(openai.BadRequestError, match="English alone"):
        speaker.sdk().audio.translations.create(model="whisper-1", file=io.BytesIO(spoken))


def test_its_kill_costs_its_request_alone(speaker, spoken: bytes, tools) -> None:
    ended: list[Any] = []

    def listen() -> None:
        try:
            ended.append(hear(speaker, repeated(spoken, 60)))
        except openai.APIStatusError as error:
            ended.append(error)

    listening = threading.Thread(target=listen)
    with speaker.stream(prompt="Once upon a time", max_tokens=800, ignore_eos=True) as events:
        next(events)
        before_s = spent_s(companion(speaker))
        listening.start()
        process = tools.eventually(
            lambda: spent_s(found := companion(speaker)) > before_s + 0.2 and found,
            "it is at work beside the answer",
        )
        os.kill(process.pid, signal.SIGKILL)
        listening.join()
        more = [next(events)["choices"][0]["finish_reason"] for _ in range(20)]
    assert more == [None] * 20
    [error] = ended
    assert (error.status_code, error.code) == (503, "speech_lost")
    tools.eventually(
        lambda: ("tiny.en", "failed") in {(one["model"], one["status"]) for one in last(speaker)},
        "the request is booked",
    )
    assert words(hear(speaker, spoken).text) == words(SENTENCE)


def test_a_bridge_speaks_and_hears_for_home_assistant(
    speaker, cache: Path, tmp_path: Path, tools
) -> None:
    python = other_python("3.13")
    if python is None:
        pytest.skip("the bridge needs Python 3.12 or later")
    program = client_environment("clients-wyoming", cache, python) / "python"
    url, listens = f"{speaker.url()}/v1", tmp_path / "s"
    words_of = [str(program), "-m", "wyoming_openai", "--uri", f"unix://{listens}"]
    words_of += ["--stt-openai-url", url, "--stt-models", "whisper-1", "--languages", "en"]
    words_of += ["--tts-openai-url", url, "--tts-models", "tts-1", "--tts-voices", "alloy"]
    with subprocess.Popen(words_of, stderr=subprocess.DEVNULL) as bridge:
        try:
            tools.eventually(listens.is_socket, "the bridge listens")
            client = [str(program), str(PROGRAMS / "with_wyoming.py")]
            client += [f"unix://{listens}", SENTENCE]
            told = json.loads(subprocess.run(client, stdout=PIPE, check=True, timeout=300).stdout)
        finally:
            bridge.terminate()
    assert told[:2] == [["whisper-1"], ["alloy"]]
    assert words(told[2]) == words(SENTENCE)


@pytest.mark.whole
def test_of_twenty_sentences_nearly_all_words_are_right(speaker) -> None:
    said = wrong = 0
    for sentence in SENTENCES:
        heard = hear(speaker, say(speaker, sentence)).text
        mistaken = errors(words(sentence), words(heard))
        print(mistaken, heard)
        said, wrong = said + len(words(sentence)), wrong + mistaken
    print(f"word error rate: {wrong}/{said} = {wrong / said:.3f}")
    assert wrong / said <= 0.1

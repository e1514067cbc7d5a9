"""Images from the request to the engine, on a model and a projector of random weights."""

from __future__ import annotations

import base64
import random
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import PIL.Image
import pytest
from hostile_images import hostile_images
from tiny_projector import write_seeing

COMMAND = Path(sys.executable).with_name("edge-rt")
SEES, BLIND = "sees", "blind"
LOOK = {"type": "text", "text": "What is it, in some words, and where may it be? " * 2}
HOSTILE, SENDERS, OTHERS = 200, 4, 20  # files, clients that send them, files by an answer
FIELD = r"`(messages|input)\[0\]\.(content\[1\]|images\[0\])`"
SAYS_WHY = re.compile(rf"{FIELD}: the image (is none of|is damaged:|has \d+ x) .+\.")
MEANWHILE = 40  # characters of an answer, behind which its engine is killed


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def daemon(
    make_daemon: Callable, pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    place = tmp_path_factory.mktemp("models")
    model, projector = write_seeing(place)
    for id, more in ((SEES, ["--mmproj", str(projector)]), (BLIND, [])):
        words = ["models", "add", str(model), "--id", id, "--store", str(place / "store"), *more]
        subprocess.run([COMMAND, *words, "--config", "/dev/null"], check=True)
    daemon = make_daemon(place / "store", images={"folder": str(pictures)})
    daemon.model = SEES
    yield daemon
    daemon.close()


def picture(seed: int = 1, format: str = "PNG") -> bytes:
    chance, content = random.Random(seed), BytesIO()
    image = PIL.Image.frombytes("RGB", (48, 40), chance.randbytes(48 * 40 * 3))
    image.save(content, format)
    return content.getvalue()


def part(content: bytes) -> dict[str, Any]:
    url = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def ask(daemon: Any, *content: Any, **fields: Any) -> httpx.Response:
    body = {"messages": [{"role": "user", "content": [*content]}], "max_tokens": 4}
    return daemon.post({"temperature": 0, **body, **fields}, "/v1/chat/completions")


def usage(answer: httpx.Response) -> tuple[int, int]:
    """Tokens of the prompt, and those of them that were known."""
    assert answer.status_code == 200, answer.text
    told = answer.json()["usage"]
    return told["prompt_tokens"], told["prompt_tokens_details"]["cached_tokens"]


def test_an_image_is_read_once(daemon: Any) -> None:
    text, _ = usage(ask(daemon, LOOK))
    first, _ = usage(ask(daemon, part(picture(1)), LOOK))
    assert first > text + 4
    again, known = usage(ask(daemon, part(picture(1)), {"type": "text", "text": "Why?"}))
    assert known > again - 20
    _, known = usage(ask(daemon, part(picture(2)), {"type": "text", "text": "Why?"}))
    assert known < again - 20


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_formats_through_the_sdk(daemon: Any, format: str) -> None:
    message = {"role": "user", "content": [part(picture(3, format)), LOOK]}
    answer = daemon.sdk().chat.completions.create(model=SEES, messages=[message], max_tokens=4)
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 4


def test_broken_images_cost_their_requests_alone(daemon: Any) -> None:
    engine = daemon.engine()["pid"]
    whole = picture(4)
    stream = {"messages": [{"role": "user", "content": "Hello"}], "ignore_eos": True}
    with daemon.stream("/v1/chat/completions", max_tokens=700, **stream) as events:
        next(events)
        refuse_broken(daemon, whole)
        *_, last = events
    assert last["choices"][0]["finish_reason"] == "length"
    usage(ask(daemon, part(whole), LOOK))
    assert daemon.engine()["pid"] == engine


def refuse_broken(daemon: Any, whole: bytes) -> None:
    for content in (
        b"",
        b"GIF89a",
        whole[:200],
        whole[:-20] + bytes(20),
        whole.replace(b"IDAT", b"IDOT"),
    ):
        answer = ask(daemon, LOOK, part(content))
        assert answer.status_code == 400, answer.text
        error = answer.json()["error"]
        assert error["param"] == "messages[0].content[1]"
        assert error["code"] == "invalid_image"
    answer = ask(daemon, LOOK, {"type": "image_url", "image_url": {"url": "http://127.0.0.1/x"}})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "messages[0].content[1]")


def test_200_hostile_files_cost_their_requests_alone(daemon: Any) -> None:
    engine = daemon.engine()["pid"]
    apis = chat_error, messages_error, responses_error, ollama_error

    def said() -> list[str]:
        answers = [ask(daemon, LOOK, max_tokens=40), ask(daemon, part(picture(4)), LOOK)]
        return [answer.json()["choices"][0]["message"]["content"] for answer in answers]

    before = said()
    with ThreadPoolExecutor(SENDERS) as senders:
        files = map(base64.b64encode, hostile_images(HOSTILE, seed=3))
        errors = [
            senders.submit(apis[number % len(apis)], daemon, file.decode())
            for number, file in enumerate(files)
        ]
        for number, error in enumerate(errors):
            assert SAYS_WHY.fullmatch(error.result()), error.result()
            if number % OTHERS == 0:
                assert said() == before
    assert daemon.engine()["pid"] == engine


def chat_error(daemon: Any, image: str) -> str:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}}
    return refused(ask(daemon, LOOK, picture))["error"]["message"]


def messages_error(daemon: Any, image: str) -> str:
    source = {"type": "base64", "media_type": "image/png", "data": image}
    said = [{"role": "user", "content": [LOOK, {"type": "image", "source": source}]}]
    asked = {"messages": said, "max_tokens": 4}
    return refused(daemon.post(asked, "/v1/messages"))["error"]["message"]


def responses_error(daemon: Any, image: str) -> str:
    picture = {"type": "input_image", "image_url": f"data:image/png;base64,{image}"}
    said = [{"role": "user", "content": [{**LOOK, "type": "input_text"}, picture]}]
    return refused(daemon.post({"input": said}, "/v1/responses"))["error"]["message"]


def ollama_error(daemon: Any, image: str) -> str:
    said = [{"role": "user", "content": LOOK["text"], "images": [image]}]
    return refused(daemon.post({"messages": said}, "/api/chat"))["error"]


def refused(answer: httpx.Response) -> Any:
    assert answer.status_code == 400, answer.text
    return answer.json()


def test_files_of_the_folder(daemon: Any, pictures: Path) -> None:
    (pictures / "one.png").write_bytes(picture(5))
    image = {"type": "image_url", "image_url": {"url": f"file://{pictures}/one.png"}}
    prompt, _ = usage(ask(daemon, part(picture(5)), LOOK))
    assert usage(ask(daemon, image, LOOK)) == (prompt, prompt - 1)
    image["image_url"] = {"url": "file:///etc/hostname"}
    assert ask(daemon, image, LOOK).status_code == 400


def test_who_sees_answers(daemon: Any) -> None:
    blind = ask(daemon, part(picture(6)), LOOK, model=BLIND)
    assert blind.status_code == 400
    assert blind.json()["error"]["code"] == "unsupported_content"
    answer = ask(daemon, part(picture(6)), LOOK, model="auto")
    usage(answer)
    assert answer.json()["model"] == SEES


def test_other_apis_see_the_same_image(daemon: Any) -> None:
    image, user = base64.b64encode(picture(9)).decode(), {"role": "user"}
    url = f"data:image/png;base64,{image}"
    usage(ask(daemon, {"type": "image_url", "image_url": url}, LOOK))
    source = {"type": "base64", "media_type": "image/png", "data": image}
    content = [{"type": "image", "source": source}, LOOK]
    said = {"messages": [{**user, "content": content}], "max_tokens": 4}
    told = daemon.post(said, "/v1/messages").json()["usage"]
    assert told["cache_read_input_tokens"] > 0
    assert told["input_tokens"] == 1
    words = {"type": "input_text", "text": LOOK["text"]}
    content = [{"type": "input_image", "image_url": url}, words]
    said = {"input": [{**user, "content": content}], "max_output_tokens": 4}
    told = daemon.post(said, "/v1/responses").json()["usage"]
    assert told["input_tokens_details"]["cached_tokens"] == told["input_tokens"] - 1
    said = {"messages": [{**user, "content": LOOK["text"], "images": [image]}], "stream": False}
    answer = daemon.post({**said, "options": {"num_predict": 4}}, "/api/chat").json()
    assert answer["prompt_eval_count"] == told["input_tokens"]
    shown = daemon.post({}, "/api/show").json()
    assert "vision" in shown["capabilities"]


def test_an_answer_about_an_image_survives_its_engine(daemon: Any, tools: Any) -> None:
    content = [part(picture(7)), LOOK]
    body = {
        "messages": [{"role": "user", "content": content}],
        "seed": 5,
        "temperature": 1.0,
        "ignore_eos": True,
        "max_tokens": 600,
    }
    whole = daemon.post(body, "/v1/chat/completions").json()["choices"][0]["message"]["content"]
    said = ""
    with daemon.stream("/v1/chat/completions", **body) as events:
        for piece in tools.texts(events):
            said += piece or ""
            if len(said) > MEANWHILE:
                daemon.kill_engine(signal.SIGKILL)
                break
        said += "".join(piece or "" for piece in tools.texts(events))
    assert said == whole


def test_the_front_loads_no_pillow(daemon: Any) -> None:
    usage(ask(daemon, part(picture(8)), LOOK))
    maps = Path(f"/proc/{daemon.process.pid}/maps").read_text()
    assert "/libc" in maps
    assert "/PIL/" not in maps
    assert "libmtmd" not in maps

"""Images in chats: what is decoded, where its reference stands, and who may answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from edge_rt.api.middleware.context import Exchange
from edge_rt.core.errors import RequestError
from edge_rt.core.images import Image, parted
from edge_rt.generation.images.decoder import ImageSource

DATA = "data:image/png;base64,aGk="
TEXT = {"type": "text", "text": "What is it?"}


def part(url: Any = DATA) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


class PlayedDecoder:
    """Makes images of the letters of URLs, each once."""

    def __init__(self) -> None:
        self.sources: list[ImageSource] = []
        self.fault: Exception | None = None

    async def decode(self, sources: Sequence[ImageSource]) -> list[Image]:
        if self.fault is not None:
            raise self.fault
        self.sources += sources
        return [Image.of(1, 1, source.url[-3:].encode()) for source in sources]


@pytest.fixture
def decoder() -> PlayedDecoder:
    return PlayedDecoder()


@pytest.fixture
def ask(service: Any, make_client: Callable[..., Any], decoder: PlayedDecoder) -> Callable:
    service.eyes = True
    client = make_client(images=decoder)

    def ask(*content: Any, **fields: Any) -> Any:
        messages = [{"role": "user", "content": list(content)}]
        return client.post("/v1/chat/completions", {"messages": messages, **fields})

    return ask


def test_a_reference_stands_where_the_image_was(
    ask: Callable, service: Any, decoder: PlayedDecoder
) -> None:
    other = "data:image/png;base64,aG8="
    answer = ask({"type": "text", "text": "One:"}, part(), part(other), TEXT)
    assert answer.status == 200, answer.json()
    assert decoder.sources == [
        ("messages[0].content[1]", DATA),
        ("messages[0].content[2]", other),
    ]
    (call,) = service.calls
    one, two = call.images
    (content,) = (m["content"] for m in service.rendered[-1]["messages"])
    assert content == f"One:{one.reference}{two.reference}What is it?"
    assert parted(content) == (["One:", "", "What is it?"], [one.reference, two.reference])
    (wish,) = service.wishes
    assert (wish.sees, wish.own_tokens) == ("messages[0].content[1]", True)


@pytest.mark.parametrize(
    ("edge", "warned"),
    [({"context": True}, True), ({"context": {"tokens": 900}}, True), ({}, False)],
)
def test_what_shortens_chats_is_ignored_with_a_warning(
    ask: Callable, edge: dict[str, Any], warned: bool
) -> None:
    said = ["The field `edge.context` was ignored: a chat with images is not shortened."]
    answer = ask(part(), TEXT, edge=edge)
    assert answer.json()["edge"].get("warnings", []) == said * warned
    assert "warnings" not in ask(TEXT, edge={"context": False}).json()["edge"]


IMAGE = "aGk="
ANTHROPIC = {"type": "image", "source": {"type": "base64", "media_type": "x", "data": IMAGE}}
WORDS = {"type": "text", "text": "Look:"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "see", "input": {}}


def in_anthropics(*content: Any) -> tuple[str, dict[str, Any]]:
    body = {"model": "smol", "max_tokens": 9, "messages": [{"role": "user", "content": content}]}
    return "/v1/messages", body


def in_responses(*content: Any) -> tuple[str, dict[str, Any]]:
    return "/v1/responses", {"input": [{"role": "user", "content": content}]}


def in_ollamas(**message: Any) -> tuple[str, dict[str, Any]]:
    return "/api/chat", {"model": "smol", "messages": [{"role": "user", **message}]}


@pytest.mark.parametrize(
    ("request_", "at", "said"),
    [
        (in_anthropics(WORDS, ANTHROPIC), "messages[0].content[1]", "Look:{}"),
        (
            in_anthropics({"type": "image", "source": {"type": "url", "url": DATA}}, WORDS),
            "messages[0].content[0]",
            "{}Look:",
        ),
        (
            in_responses(
                {"type": "input_text", "text": "Look:"},
                {"type": "input_image", "image_url": DATA, "detail": "auto"},
            ),
            "input[0].content[1]",
            "Look:{}",
        ),
        (in_ollamas(content="Look:", images=[IMAGE]), "messages[0].images[0]", "{}Look:"),
        (
            ("/api/generate", {"model": "smol", "prompt": "Look:", "images": [IMAGE]}),
            "images[0]",
            "{}Look:",
        ),
    ],
)
def test_other_apis_have_images_too(
    service: Any,
    make_client: Callable[..., Any],
    decoder: PlayedDecoder,
    request_: tuple[str, dict[str, Any]],
    at: str,
    said: str,
) -> None:
    service.eyes, (path, body) = True, request_
    client = make_client(images=decoder)
    assert client.post(path, body).status == 200
    (source,) = decoder.sources
    assert source.at == at
    assert source.url.endswith(f";base64,{IMAGE}")
    (image,) = service.calls[0].images
    assert service.rendered[-1]["messages"][-1]["content"] == said.format(image.reference)
    decoder.fault = RequestError(f"`{at}`: broken.", param=at, code="invalid_image")
    refused = client.post(path, body)
    assert (refused.status, f"`{at}`: broken" in refused.body.decode()) == (400, True)
    service.eyes = False
    blind = client.post(path, body)
    assert (blind.status, f"`{at}`: this model cannot see" in blind.body.decode()) == (400, True)


def test_a_tool_may_show_an_image(
    service: Any, make_client: Callable[..., Any], decoder: PlayedDecoder
) -> None:
    service.eyes = True
    client = make_client(images=decoder)
    path, body = in_anthropics()
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [ANTHROPIC, WORDS]}
    body["messages"] = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": [CALL]},
        {"role": "user", "content": [{**result, "is_error": True}]},
    ]
    assert client.post(path, body).status == 200
    assert [source.at for source in decoder.sources] == ["messages[2].content[0].content[0]"]
    reference = service.calls[0].images[0].reference
    assert service.rendered[-1]["messages"][-1]["content"] == f"Error:{reference}Look:"


@pytest.mark.parametrize("source", [{"type": "base64"}, {"type": "file"}, {"type": "url"}])
def test_a_source_that_is_none_is_named(ask: Callable, make_client: Any, source: Any) -> None:
    answer = make_client().post(*in_anthropics({"type": "image", "source": source}))
    assert answer.status == 400
    assert "messages[0].content[0].source" in answer.body.decode()


def test_tokens_of_images_are_not_counted_ahead(service: Any, make_client: Any) -> None:
    service.eyes = True
    _, body = in_anthropics(WORDS, ANTHROPIC)
    del body["max_tokens"]
    answer = make_client().post("/v1/messages/count_tokens", body)
    assert answer.status == 400
    assert "`messages[0].content[1]`: no tokens of images are counted" in answer.body.decode()


def test_ollamas_raw_prompts_have_none(make_client: Any) -> None:
    body = {"model": "smol", "prompt": "x", "raw": True, "images": [IMAGE]}
    answer = make_client().post("/api/generate", body)
    assert answer.status == 400
    assert "`images` cannot go with `raw`" in answer.body.decode()


def test_texts_stand_in_lines_of_their_own_as_before(ask: Callable, service: Any) -> None:
    ask(TEXT, TEXT)
    (content,) = (m["content"] for m in service.rendered[-1]["messages"])
    assert content == "What is it?\nWhat is it?"
    assert service.wishes[0].sees is None
    assert service.calls[0].images == ()


def test_a_bare_url_will_do(ask: Callable, decoder: PlayedDecoder) -> None:
    assert ask({"type": "image_url", "image_url": DATA}, TEXT).status == 200
    assert len(decoder.sources) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_no_image_is_a_400_with_its_field(
    ask: Callable, service: Any, decoder: PlayedDecoder, stream: bool
) -> None:
    at = "messages[0].content[0]"
    decoder.fault = RequestError(f"`{at}`: broken.", param=at, code="invalid_image")
    answer = ask(part(), TEXT, stream=stream)
    assert answer.status == 400
    error = answer.json()["error"]
    assert (error["param"], error["code"]) == (at, "invalid_image")
    assert not service.calls


def test_an_image_without_a_url_is_named(ask: Callable) -> None:
    error = ask({"type": "image_url"}, TEXT).json()["error"]
    assert error["param"] == "messages[0].content[0].image_url"


def test_a_model_without_eyes_is_told_before_anything_is_decoded(
    ask: Callable, service: Any, decoder: PlayedDecoder
) -> None:
    service.eyes = False
    answer = ask(part("https://example.org/cat.png"), TEXT)
    error = answer.json()["error"]
    assert answer.status == 400
    assert (error["param"], error["code"]) == ("messages[0].content[0]", "unsupported_content")
    assert "cannot see images" in error["message"]
    assert not decoder.sources


def test_answers_about_other_images_are_not_found_in_the_cache(
    service: Any, make_client: Callable[..., Any], make_cache: Callable, decoder: PlayedDecoder
) -> None:
    service.eyes = True
    client = make_client(cache=make_cache(), images=decoder)

    def ask(url: str) -> Any:
        messages = [{"role": "user", "content": [part(url), TEXT]}]
        return client.post("/v1/chat/completions", {"messages": messages, "temperature": 0})

    ask(DATA)
    assert ask(DATA).status == 200
    assert len(service.calls) == 1
    ask("data:image/png;base64,aG8=")
    assert len(service.calls) == 2
    for _ in range(2):  # a file may have changed meanwhile
        ask("file:///pictures/cat.png")
    assert len(service.calls) == 4


def test_pixels_count_as_bodies_do(
    ask: Callable, decoder: PlayedDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[tuple[int, bool]] = []
    hold = Exchange.hold

    def noted(self: Exchange, count: int, *, needed: bool = False) -> None:
        held.append((count, needed))
        hold(self, count, needed=needed)

    monkeypatch.setattr(Exchange, "hold", noted)
    assert ask(part(), part(), TEXT).status == 200
    assert held[-1] == (6, True)

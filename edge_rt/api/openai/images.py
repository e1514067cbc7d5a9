"""Images in the messages of a chat, and the references that take their places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from edge_rt.api.openai.messages import IMAGES, ChatMessage, Part, PlacedImage
from edge_rt.core.errors import missing
from edge_rt.core.images import Image
from edge_rt.generation.images.decoder import ImageSource


def image_sources(messages: Sequence[ChatMessage]) -> Iterator[ImageSource]:
    """Yield the images of messages in their order; raises RequestError for one without a URL."""
    for place, message in enumerate(messages):
        for index, part in enumerate(_parts(message)):
            if part.type in IMAGES:
                at = f"messages[{place}].content[{index}]"
                at = part.at if isinstance(part, PlacedImage) else at
                if part.url is None:
                    raise missing(f"{at}.image_url")
                yield ImageSource(at, part.url)


def with_references(messages: Sequence[ChatMessage], images: Sequence[Image]) -> list[ChatMessage]:
    """Return the messages with a reference, which is text, in the place of each image.

    Where there are no more of `images`, nothing is there.
    """
    left = iter(images)

    def shown(part: Part) -> Part:
        if part.type not in IMAGES:
            return part
        image = next(left, None)
        return Part("text", text="" if image is None else str(image.reference))

    return [
        replace(message, content=[*map(shown, parts)]) if (parts := _parts(message)) else message
        for message in messages
    ]


def _parts(message: ChatMessage) -> Sequence[Part]:
    return message.content if isinstance(message.content, list) else ()

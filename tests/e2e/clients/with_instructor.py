"""instructor against a server: `with_instructor.py URL MODEL` prints JSON."""

from __future__ import annotations

import json
import sys
from typing import Any, Literal

import instructor
import openai
from instructor import Mode
from pydantic import BaseModel, Field

ASK = [{"role": "user", "content": "The sky of Oslo, and of Paris, and why: tell it in a word."}]


class Sky(BaseModel):
    """The sky of a city."""

    city: Literal["Paris", "Oslo"]
    sky: Literal["rain", "sun"]
    days: int = Field(ge=1, le=9)
    words: list[Literal["wet", "warm", "grey"]] = Field(min_length=1, max_length=3)


class Skies(BaseModel):
    """Some cities."""

    skies: list[Sky] = Field(min_length=2, max_length=2)


def main(url: str, name: str, *_: str) -> None:
    sdk = openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)
    fields: dict[str, Any] = {"model": name, "messages": ASK, "max_retries": 0}
    fields |= {"temperature": 0, "max_tokens": 300}
    found: dict[str, Any] = {}
    for mode in (Mode.TOOLS, Mode.JSON_SCHEMA):
        client = instructor.from_openai(sdk, mode=mode)
        plain = client.create(response_model=Sky, **fields)
        nested = client.create(response_model=Skies, **fields)
        *partial, last = client.create_partial(response_model=Sky, **fields)
        found[mode.value] = {
            "plain": plain.model_dump(),
            "nested": nested.model_dump(),
            "streamed": last.model_dump(),
            "pieces": len(partial),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])

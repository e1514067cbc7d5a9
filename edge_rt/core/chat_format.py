"""How a model writes tool calls and thoughts, as its chat template shows it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

CallStyle = Literal["json", "named", "literal", "tagged"]
"""How one call is written.

- "json": an object with the name and the arguments: `{"name": "f", "arguments": {"a": 1}}`.
- "named": the name by itself, then the arguments as an object: `<function=f>{"a": 1}</function>`.
- "literal": likewise, with arguments as in Python, `f(a='x')`, or with keys that have no quotes and
  strings that have marks of their own, `f{a:<|"|>x<|"|>}`.
- "tagged": the name, then each argument between markers; strings without quotes.
"""

NUMBER = "\ufdd0"  # no character of Unicode: in a format's texts it stands for a number of the call

CUT = "\ufdd0"
"""Divides a prompt: the text before it and the text behind it become tokens separately.

So a control token that is written out across it is plain text. It is no character of Unicode, and
no model reads it.
"""

FormatSource = Literal["template", "family", "generic"]
"""Where a format of calls comes from: read off the model's chat template, from the table of known
families, or our own, which a system message explains to the model.
"""


PromptEnd = Literal["assistant", "bare", "inside"]
"""Where a prompt ends: behind the line that has the assistant speak, behind the last message, or
inside it, so that the answer goes on with it.
"""


class CallFormat(msgspec.Struct, frozen=True, kw_only=True):
    """The literal text around the parts of a tool call that vary.

    An answer with calls is `begin` CALL (`separator` CALL)* `end`, with CALL as
    `before` NAME `between` ARGUMENTS `after`. Of style "tagged", ARGUMENTS are any number of
    `key_begin` KEY `key_end` VALUE `value_end`; of the others, one object.
    """

    style: CallStyle
    before: str
    between: str
    after: str
    begin: str = ""
    end: str = ""
    separator: str | None = None  # None: an answer has one call
    name_key: str = "name"  # of style "json"
    arguments_key: str = "arguments"
    key_begin: str = ""  # of style "tagged", as the next two
    key_end: str = ""
    value_end: str = ""
    key_ends: dict[str, str] = {}  # `key_end` before values of other JSON types, where it differs
    brackets: str = "{}"  # of style "literal": around the arguments
    equals: str = ":"  # between key and value
    comma: str = ", "  # between arguments
    quote: str = ""  # around strings; "": as in Python
    told: bool = True  # whether the template tells the model of tools
    arguments_as_text: bool = False  # whether the template wants past arguments as a JSON string
    source: FormatSource = "template"
    unread: bool = False  # whether the template shows calls that do not read back

    @property
    def opening(self) -> str:
        """What the first call of an answer begins with, up to the call's name."""
        return self.begin + self.before

    @property
    def marker(self) -> str:
        """What tells the first call from other text; "" where only its JSON does."""
        if self.style in ("named", "tagged"):
            return (self.begin.strip() or self.before).partition(NUMBER)[0].split(maxsplit=1)[0]
        return self.opening.partition("{")[0].rstrip().removesuffix("[").strip()

    @property
    def short_marker(self) -> str:
        """The last tag before the name, which some models write alone; "" where there is one."""
        head, tag, name = self.before.rpartition("<")
        return f"{tag}{name}" if self.style == "tagged" and head.strip() else ""

    def __str__(self) -> str:
        """Return one call in it, as people read it on one line."""
        inside = "ARGUMENTS"
        if self.style == "literal":
            inside = f"{self.brackets[0]}KEY{self.equals}VALUE{self.brackets[1]}"
        elif self.style == "tagged":
            inside = f"{self.key_begin}KEY{self.key_end}VALUE{self.value_end}"
        text = f"{self.opening}NAME{self.between}{inside}{self.after}{self.end}"
        return text.replace("\n", "\\n").replace(NUMBER, "0")


class ThinkFormat(msgspec.Struct, frozen=True):
    """The markers around a model's thoughts.

    `variable` is the boolean template variable that turns thinking on and off; None: there is
    none. `behind` is what stands between the thoughts and the answer.
    """

    begin: str
    end: str
    variable: str | None = None
    behind: str = "\n\n"


class ChatFormat(msgspec.Struct, frozen=True):
    """What a model's answers may hold besides plain text.

    `control` are the control tokens among the markers, which the engine must show in the text.
    `wrapping` are markers around plain text, which nobody is to see. With `channels` an answer is
    made of messages with headers, as the Harmony format has it.
    """

    calls: CallFormat
    thinking: ThinkFormat | None = None
    control: tuple[str, ...] = ()
    wrapping: tuple[str, ...] = ()
    channels: bool = False


class Reading(msgspec.Struct, frozen=True):
    """How the text of an answer is to be read.

    `opened`: its prompt began the thoughts. `tools`: the model was told of tools.
    """

    format: ChatFormat
    opened: bool = False
    tools: bool = False


GENERIC = CallFormat(
    style="json",
    before='<tool_call>\n{"name": "',
    between='", "arguments": ',
    after="}\n</tool_call>",
    separator="\n",
    source="generic",
)
"""The format of models whose template knows no tools."""


class ChatPrompt(msgspec.Struct, frozen=True):
    """A conversation, for a model's chat template to make a prompt of, up to `end`.

    `think` is "off", "on", or "limited" for thoughts that end at a limit; None: as the model
    usually does. `several`: the model is told that one answer may hold several calls.
    """

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None = None
    variables: dict[str, Any] | None = None
    think: Literal["off", "on", "limited"] | None = None
    several: bool = False
    end: PromptEnd = "assistant"

"""The messages between front and engine.

Both ends speak msgpack-encoded tagged structs, one a frame (see `channel`). Every struct is
frozen and its fields are positional on the wire (`array_like`), so adding a field at the end with
a default stays compatible and anything else bumps `VERSION`.

Seconds are durations, but for those of `EngineWork`: readings of the monotonic clock, which the two
processes of one board share. Token ids are those of the model named in the message.
"""

from __future__ import annotations

import msgspec

from edge_rt.core.cached import Prefixes, Which
from edge_rt.core.decoding import CheckerSpec, Constraint, Made, Mode, Sampling, TokenLogprob
from edge_rt.core.events import Delta, Embedded, Finished, Started, Tokenized
from edge_rt.core.images import Image
from edge_rt.core.reports.offload import OffloadDevice

VERSION = 9
BROKEN = "engine_broken"  # the code of what failed because the engine, or the model, is not well


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Base of all messages; the class name is the tag."""


# --- what travels inside messages ----------------------------------------------------------


class ModelOrigin(msgspec.Struct, frozen=True, array_like=True):
    """The model in the store that the files belong to, and the sha256 of their content."""

    model: str
    sha256: str


class ModelSpec(msgspec.Struct, frozen=True, array_like=True):
    """What the engine needs to load one model. Sizes in tokens; threads None: engine default."""

    backend: str  # "llama.cpp" or "onnx"
    path: str
    context: int  # most tokens of one sequence, prompt and answer together
    sequences: int  # most sequences at once, each with KV cells for `context` tokens
    batch: int = 512  # most tokens in one forward pass
    prefill_chunk: int = 128  # most prompt tokens that a pass with running streams may carry
    gpu_layers: int = 0
    flash_attention: bool = True
    kind: str = "language"  # or "embedding"
    pooling: str = "mean"  # of an embedding model of onnxruntime: or "cls", "last" or "rank"
    normalise: bool = True  # whether embeddings are brought to length 1
    providers: tuple[str, ...] = ()  # of onnxruntime, the preferred first; none: its CPU's
    outputs: int = 0  # most tokens of one pass whose logits are wanted; at least one a sequence
    kv_type: str = "q8_0/f16"  # how llama.cpp keeps keys and values; see its backend
    origin: ModelOrigin | None = None  # None: nothing of it is kept elsewhere than in memory
    gpu_share: float = 0.0  # of all layers, those on a GPU
    projector: str | None = None  # the file of llama.cpp's with which the model sees images
    adapters: tuple[tuple[str, float], ...] = ()  # paths of llama.cpp's LoRA adapters, and scales


# --- front to engine -----------------------------------------------------------------------


class LoadModel(Message, frozen=True):
    """Load `spec` under the name `model`; answered by Loaded or LoadFailed."""

    model: str
    spec: ModelSpec


class UnloadModel(Message, frozen=True):
    """Free `model`; running requests on it fail. Answered by Unloaded."""

    model: str


class Generate(Message, frozen=True):
    """Continue `prompt` `n` times; answered by Started, StepOutput… and one Finished an answer.

    A text prompt is tokenised by the engine; `special` lets control tokens in it (chat
    templates) be recognised, and the beginning-of-sequence token is put in front when the model
    wants one and the text does not start with it. After an engine was lost, `resume` holds by
    answer index the tokens already received: they are part of the answer, count for max_tokens and
    are not sent again; `made` and `withheld` are what the last Delta told of them, `seen` is what
    all did, and answers in `done` were complete and are not made. With `fresh` all of the prompt is
    read, whatever of it there is in KV already. `mode` None: the model by itself.

    `threads` is how many its passes are to use, None: all that the limits allow. That holds for
    the passes in which no request takes part that asks for more.

    `client` names the client for whom the prompt may be kept; with None it is kept in memory only;
    see KeepPrefixes. Clients share their turns by `user`; None: the request is a client by itself.
    All answers keep to `constraint`, with tokens of `resume` too. Prompts that were sent together
    have one `group`: they share their turns with others as one. What is read of a prompt to `pin`
    makes room for others last; see SequencePool. Answers also keep to a `check`, for which `seen`
    are the logarithms of their tokens' weights; see CheckCost. With a `suffix` the answers fill
    the gap between `prompt` and that. `images` are those to which a text prompt refers.
    """

    id: int
    model: str
    prompt: str | list[int]
    special: bool
    sampling: Sampling
    max_tokens: int | None  # None: until the context is full
    n: int = 1
    stop: list[str] = []
    ignore_eos: bool = False
    resume: dict[int, list[int]] = {}
    done: list[int] = []
    fresh: bool = False
    mode: Mode | None = None
    threads: int | None = None
    made: dict[int, Made] = {}
    client: str | None = None
    withheld: dict[int, list[TokenLogprob]] = {}
    seen: dict[int, list[float]] = {}
    group: str = ""
    constraint: Constraint | None = None
    pin: bool = False
    check: CheckerSpec | None = None
    suffix: str | None = None
    user: str | None = None
    images: list[Image] = []


class Embed(Message, frozen=True):
    """Turn each of `inputs` into a vector; answered by Started and Embedded.

    A text gets the control tokens that the model wants, token ids are taken as they are. Inputs
    longer than the model's context fail the request, unless `truncate` says which side to cut:
    "start" or "end". Of each vector the first `dimensions` numbers are kept. With a `query`, each
    text is read behind it by a model that ranks, and of the text alone is cut.
    """

    id: int
    model: str
    inputs: list[str | list[int]]
    truncate: str | None = None
    dimensions: int | None = None
    query: str | None = None


class Cancel(Message, frozen=True):
    """Drop request `id`; nothing more is sent about it. Unknown ids are ignored."""

    id: int


class SetLimits(Message, frozen=True):
    """The limits from the next step on; a field at its default limits nothing.

    After computing for t seconds it rests t·(1/duty - 1) seconds, after passes that read prompts
    by `prompt_duty` in place of `duty`; None: by `duty` too. Duty 0 stops it until it is told
    otherwise, while messages are still handled. `prefill_chunk` is the most prompt tokens of any
    pass, whether answers stream or not.
    """

    threads: int
    duty: float = 1.0
    prefill_chunk: int | None = None
    prompt_duty: float | None = None


class Tokenize(Message, frozen=True):
    """Ask for the tokens of `text`, or what token ids stand for; answered by Tokenized.

    The vocabulary of the file at `path` is asked, which takes little time and memory. `special` as
    in Generate. With `begins` the beginning-of-sequence token is put in front as there, and with
    `pieces` the answer says what each token stands for. A prompt for a `model` that is loaded gets
    the tokens and errors that it would have there, and how much of it is in KV.
    """

    nonce: int
    backend: str
    path: str
    text: str | list[int]
    special: bool
    begins: bool = True
    pieces: bool = False
    model: str | None = None


class KeepPrefixes(Message, frozen=True):
    """Keep beginnings of prompts in `folder`, in `max_bytes`, and write `hourly_bytes` an hour.

    With `per_client` a client gets only the prefixes of its own requests.
    """

    folder: str
    max_bytes: int
    hourly_bytes: int
    per_client: bool


class AskPrefixes(Message, frozen=True):
    """Delete the prefixes that `forget` names, if any, and list the rest; answered by Prefixes."""

    nonce: int
    forget: Which | None = None


class Ping(Message, frozen=True):
    """Ask for a Pong from the decode loop."""

    nonce: int


class Shutdown(Message, frozen=True):
    """Free everything and exit 0."""


# --- engine to front -----------------------------------------------------------------------


class Hello(Message, frozen=True):
    """The engine's first frame."""

    version: int
    pid: int
    backends: dict[str, str]  # backend -> version
    gpus: list[OffloadDevice] = []  # on which llama.cpp can put layers


class Loaded(Message, frozen=True):
    """`model` is ready."""

    model: str
    load_s: float
    vocab: int
    context: int
    threads: int


class LoadFailed(Message, frozen=True):
    """`model` could not be loaded; `message` says why."""

    model: str
    message: str


class Unloaded(Message, frozen=True):
    """`model` is gone and its memory with it."""

    model: str


class WorkShare(msgspec.Struct, frozen=True, array_like=True):
    """Request `id`'s part of the engine's time, in seconds, by phase."""

    id: int
    prefill_s: float
    decode_s: float


class EngineWork(msgspec.Struct, frozen=True, array_like=True):
    """What the passes between two readings of the monotonic clock were spent on.

    A pass is shared among its requests by their rows of the batch. The time between passes is
    nobody's, so the shares may add up to less than the time in between. No rest lies within.
    While requests wait and the limits let nothing be done, empty spans tell so every second.
    """

    begin_s: float
    end_s: float
    shares: list[WorkShare]


class StepOutput(Message, frozen=True):
    """What the passes since the last one produced, for all requests, and who they were for.

    Work that was done for a request is told before its end is, and after a Cancel at once.
    """

    deltas: list[Delta]
    work: EngineWork | None = None


class Failed(Message, frozen=True):
    """Request `id` ends here. `param` and `code` are set when the request is at fault."""

    id: int
    message: str
    param: str | None = None
    code: str | None = None
    retry_after_s: float | None = None


class Pong(Message, frozen=True):
    """The decode loop is alive; what it holds right now, and the limits in force.

    Counters run since the engine's start. A Pong comes from between two passes or from a rest.
    """

    nonce: int
    rss_bytes: int
    threads: int
    running: int
    waiting: int
    steps: int
    step_s: float  # seconds in the decode loop's iterations since start, rests not among them
    native_s: float  # of them, seconds inside native forward calls
    duty: float = 1.0
    prefill_chunk: int | None = None
    drawn: int = 0  # tokens of answers
    read: int = 0  # tokens of prompts that went through a model, cached ones not among them
    read_s: float = 0.0  # of native_s, the part of prompts by rows of the batch
    rest_s: float = 0.0  # seconds that there was something to compute and the duty forbade it
    spare_s: float = 0.0  # of native_s, times the threads that requests had no use for
    gpu_s: float = 0.0  # of native_s, in passes of models with layers on a GPU
    offloads: bool = False  # whether such a model is loaded


ToEngine = (
    LoadModel
    | UnloadModel
    | Generate
    | Embed
    | Cancel
    | SetLimits
    | Tokenize
    | KeepPrefixes
    | AskPrefixes
    | Ping
    | Shutdown
)
ToFront = (
    Hello
    | Loaded
    | LoadFailed
    | Unloaded
    | Started
    | StepOutput
    | Finished
    | Embedded
    | Failed
    | Tokenized
    | Prefixes
    | Pong
)

"""What config.yaml may hold, with its defaults.

Every field has a default that suits a small board, so an empty file is a valid configuration.
Sizes are bytes or tokens and durations seconds, as their names say.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(ge=0)]
Text = Annotated[str, Meta(min_length=1)]
Amount = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(gt=0, le=1)]
Sacrifice = Literal["pace", "model", "queue", "refuse"]
Layers = Annotated[int, Meta(ge=0)]
KeyHash = Annotated[str, Meta(pattern="^[0-9a-f]{64}\\Z")]
KvType = Literal["q8_0/f16", "f16", "q8_0", "q4_0"]  # of keys and values, or of both


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every section: unknown keys are errors."""


class Socket(Section, frozen=True):
    """The Unix socket that local clients use."""

    path: str | None = None  # None: edge-rt.sock in the run directory
    mode: Annotated[str, Meta(pattern="^0?[0-7]{3}\\Z")] = "0660"
    group: str | None = None  # None: the daemon's own group


class Tcp(Section, frozen=True):
    """The optional TCP listener; off unless `listen` is set."""

    listen: str | None = None  # "HOST:PORT", IPv6 as "[::1]:8080"
    api_key_sha256: list[KeyHash] = []
    admin_key_sha256: list[KeyHash] = []  # those among them that may also administrate


class People(Section, frozen=True):
    """Users and groups of this machine, by name or number."""

    users: list[Text] = []
    groups: list[Text] = []


class Access(Section, frozen=True):
    """What users of the Unix socket may do, of those whom its mode lets in."""

    generate: People = People()  # who may use models; nobody named: everybody
    administer: People = People()  # who may besides root and the daemon's own user


class Models(Section, frozen=True):
    """Where models lie and how long they stay in memory."""

    store: str | None = None  # None: models/ in the state directory
    catalogue: list[str] = []  # further catalogue files, later ones win
    default: str | None = None  # what "default" means; None: as `edge-rt models default` tells
    preload: list[str] = []
    idle_unload_s: Seconds = 900.0  # 0: never
    reserve_bytes: Annotated[int, Meta(ge=0)] = 256 * 1024 * 1024  # memory to leave to others
    # Which model answers for which while the board cannot afford the one asked for.
    smaller: dict[str, str] = {}


class Engine(Section, frozen=True):
    """How models are run."""

    threads: Annotated[int, Meta(ge=1, le=512)] | None = None  # None: as many as the board has free
    context: Annotated[int, Meta(ge=64, le=1 << 20)] = 4096  # most tokens of one conversation
    sequences: Annotated[int, Meta(ge=1, le=64)] = 4  # at once; each takes memory for `context`
    batch: Annotated[int, Meta(ge=16, le=4096)] = 512
    prefill_chunk: Annotated[int, Meta(ge=8, le=4096)] = 128
    # One, or those to choose from: the first is taken where nothing speaks against it.
    gpu_layers: Layers | Annotated[list[Layers], Meta(min_length=1)] = 0
    gpu_bytes: Positive | None = None  # memory of a GPU that has its own; None: it has the board's
    # How keys and values are kept; None: by what the backend gives the same answers with.
    kv_type: KvType | Annotated[list[KvType], Meta(min_length=1)] | None = None
    flash_attention: bool = True
    # Memory for what answers under way have read, over a kill of the engine; None: 1/64 of all,
    # 256 MiB at most; 0: they are read again.
    checkpoint_bytes: Annotated[int, Meta(ge=0, le=1 << 30)] | None = None

    @property
    def offloads(self) -> tuple[int, ...]:
        """Numbers of layers that may lie on the GPU, the usual one first."""
        layers = self.gpu_layers
        return (layers,) if isinstance(layers, int) else tuple(layers)

    @property
    def kv_types(self) -> tuple[KvType, ...]:
        """How keys and values may be kept, the usual way first; none: as the backend chooses."""
        types = self.kv_type
        if types is None:
            return ()
        return (types,) if isinstance(types, str) else tuple(types)


class Requests(Section, frozen=True):
    """What requests may ask for."""

    body_bytes: Positive = 4 * 1024 * 1024
    tensor_bytes: Annotated[int, Meta(ge=1, le=48 * 1024 * 1024)] = 32 * 1024 * 1024  # of arrays
    infer_s: Amount = 120.0  # of one pass of arrays through a model, which is then stopped
    bodies_bytes: Positive = 64 * 1024 * 1024  # of all bodies at once, and of what they decode to
    queue: Positive = 64  # requests waiting or running; one more is refused with 503
    per_client: Positive = 32  # the same of one client; one more is refused with 429
    per_minute: Positive | None = None  # of one client; None: as many as it likes
    connections: Annotated[int, Meta(ge=2, le=768)] = 512  # of all clients, half of them of one
    max_n: Annotated[int, Meta(ge=1, le=64)] = 8  # most answers of one request


class Sensors(Section, frozen=True):
    """What the board is read with."""

    root: str = "/"  # below which sys, proc and dev lie; a simulated board has its own


class Budget(Section, frozen=True):
    """What the board may spend; None: no such cap. See edge_rt.governor.budget.Budget."""

    power_w: Amount | None = None  # the supply's mean over any power_window_s
    power_window_s: Annotated[float, Meta(ge=0.2, le=60)] = 1.0
    peak_ratio: Annotated[float, Meta(ge=1, le=10)] = 1.5  # of power_w may one reading be
    temp_c: Annotated[float, Meta(gt=0, le=150)] | None = None  # of the hottest zone
    energy_j: Amount | None = None  # the supply's in each clock hour or UTC day
    energy_period: Literal["hour", "day"] = "day"


class Guard(Section, frozen=True):
    """Where the states of the guard begin, as shares of the trip point in degrees Celsius."""

    caution: Share = 0.80
    hold: Share = 0.85
    evacuate: Share = 0.975
    hysteresis_c: Annotated[float, Meta(ge=0, le=30)] = 5.0  # below which a state is left


class Governor(Section, frozen=True):
    """How the budget is kept. See edge_rt.governor.settings.Settings."""

    guard: Guard = Guard()
    # What is given up first when the board cannot afford full speed, what next, and so on.
    sacrifice: tuple[Sacrifice, ...] = ("pace", "model", "queue", "refuse")
    floor_duty: Share = 0.2  # pacing goes no lower before the next sacrifice is made
    horizon_s: Annotated[float, Meta(ge=5, le=300)] = 30.0  # how far ahead heat is looked at


class Knobs(Section, frozen=True):
    """What the daemon sets on the board while it runs and puts back when it ends; None: nothing.

    Each needs the right to write the files, or to run the programs, of its knob.
    """

    cpufreq_max_hz: Annotated[float, Meta(ge=10e6)] | None = None  # highest clock of every core
    # Whether the governor sets the highest clock of the CPU, never above cpufreq_max_hz, and of a
    # Jetson's GPU.
    cpufreq: Literal["governed"] | None = None
    gpufreq: Literal["governed"] | None = None
    nvpmodel: Text | None = None  # a Jetson's power mode by its name, never by its number
    rapl_w: Annotated[float, Meta(gt=0)] | None = None  # long-term limit of each x86 package
    # The engine's cores.
    affinity: Annotated[list[Annotated[int, Meta(ge=0)]], Meta(min_length=1)] | None = None
    # How hard the fan is driven, 0 to 1, or the name of a profile of a Jetson's nvfancontrol.
    fan: Annotated[float, Meta(ge=0, le=1)] | Text | None = None


class Router(Section, frozen=True):
    """How a model is chosen for a request that leaves it open."""

    # The least probability that an answer is good enough, of requests that do not say.
    quality: Literal["low", "normal", "high"] | Annotated[float, Meta(ge=0, le=1)] = "normal"
    rules: str | None = None  # file of rules and examples besides those that come with edge_rt
    embedding: Text | None = None  # id of a model that compares prompts with examples; None: none


class Ledger(Section, frozen=True):
    """What is kept of each request's cost; the totals of days and models stay."""

    path: str | None = None  # None: ledger.db in the state directory
    days: Positive = 90  # how long single requests are kept
    max_bytes: Annotated[int, Meta(ge=1024 * 1024)] = 32 * 1024 * 1024  # of the file


class Semantic(Section, frozen=True):
    """Answers that are given to other questions as well, which mean the same."""

    model: Text | None = None  # id of the embedding model that compares them; None: nobody does
    entries: Annotated[int, Meta(ge=1, le=100_000)] = 100_000  # questions; 0.7 KB of memory each
    max_bytes: Annotated[int, Meta(ge=1024 * 1024)] = 128 * 1024 * 1024  # of the file
    doubt: Share = 0.125  # most that an error may be likely, as far as that can be estimated


class Cache(Section, frozen=True):
    """Answers that are kept, to be given again to the very same question, and beginnings of
    prompts, which need not be read again.
    """

    enabled: bool = True
    ttl_s: Amount = 86_400.0  # since an answer was made
    max_bytes: Annotated[int, Meta(ge=1024 * 1024)] = 64 * 1024 * 1024  # of the file
    memory_bytes: Annotated[int, Meta(ge=0)] = 4 * 1024 * 1024  # of those used last, in memory
    per_client: bool = False  # whether users of the Unix socket get their own only
    semantic: Semantic = Semantic()
    prefix_bytes: Annotated[int, Meta(ge=0)] = 256 * 1024 * 1024  # of beginnings; 0: none are kept
    prefix_hourly_bytes: Annotated[int, Meta(ge=0)] = 128 * 1024 * 1024  # most written an hour


class Log(Section, frozen=True):
    """What the daemon writes to standard error."""

    level: Annotated[str, Meta(pattern="^(debug|info|warning|error)\\Z")] = "info"


class Config(Section, frozen=True):
    """The whole of config.yaml."""

    board: str | None = None  # id of a board profile; None: whichever the board is recognised as
    offline: bool = True  # whether the daemon and its engine refuse to connect to anything
    socket: Socket = Socket()
    tcp: Tcp = Tcp()
    access: Access = Access()
    models: Models = Models()
    engine: Engine = Engine()
    requests: Requests = Requests()
    sensors: Sensors = Sensors()
    budget: Budget = Budget()
    governor: Governor = Governor()
    knobs: Knobs = Knobs()
    router: Router = Router()
    ledger: Ledger = Ledger()
    cache: Cache = Cache()
    log: Log = Log()

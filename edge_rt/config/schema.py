"""What config.yaml may hold, with its defaults.

Every field has a default that suits a small board, so an empty file is a valid configuration.
Sizes are bytes or tokens and durations seconds, as their names say. The text below a field is its
entry in the reference of the configuration.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from edge_rt.config.applications import AppBudget, AppName
from edge_rt.config.caching import Cache, Warm
from edge_rt.config.images import Images
from edge_rt.config.section import AbsolutePath, Amount, Positive, Section, Text
from edge_rt.config.speech import Speech

Seconds = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(gt=0, le=1)]
Sacrifice = Literal["pace", "model", "queue", "refuse"]
Layers = Annotated[int, Meta(ge=0)]
KeyHash = Annotated[str, Meta(pattern="^[0-9a-f]{64}\\Z")]
CheckName = Annotated[str, Meta(pattern="^[A-Za-z0-9_.-]{1,64}\\Z")]
Origin = Annotated[str, Meta(pattern="^https?://[^/\\s*]+\\Z")]
KvType = Literal["q8_0/f16", "f16", "q8_0", "q4_0"]  # of keys and values, or of both


class Socket(Section, frozen=True):
    """The Unix socket that local clients use."""

    path: AbsolutePath | None = None
    """Where local clients connect. Default: `edge-rt.sock` in the run directory."""
    mode: Annotated[str, Meta(pattern="^0?[0-7]{3}\\Z")] = "0660"
    """File mode of the socket, in octal; it decides which users may connect."""
    group: str | None = None
    """Group that owns the socket, by name or number. Default: the daemon's own group."""


class Tcp(Section, frozen=True):
    """The optional TCP listener; off unless `listen` is set."""

    listen: str | Annotated[list[str], Meta(min_length=1)] | None = None
    """Address and port, as in "127.0.0.1:8080" or "[::1]:8080", or a list of them; clients of
    Ollama look at 127.0.0.1:11434. An address other than loopback needs at least one key. Default:
    no TCP."""
    api_key_sha256: list[KeyHash] = []
    """SHA-256, in hexadecimal, of every key that may use TCP; `edge-rt key` makes one."""
    admin_key_sha256: list[KeyHash] = []
    """The keys among these that may also administer the daemon."""
    origins: list[Origin] = []
    """Web pages of other hosts that may use TCP from a browser (CORS), as
    "https://panel.example". Default: none but programs, and pages of this machine."""

    @property
    def addresses(self) -> list[str]:
        """Each address and port to listen at."""
        return [self.listen] if isinstance(self.listen, str) else self.listen or []


class People(Section, frozen=True):
    """Users and groups of this machine, by name or number."""

    users: list[Text] = []
    """Users, by name or number."""
    groups: list[Text] = []
    """Groups, by name or number."""


class Access(Section, frozen=True):
    """What users of the Unix socket may do, among those whom its mode lets in."""

    generate: People = People()
    """Users that may use models. Default: every user that may connect."""
    administer: People = People()
    """Users that may change the budget, calibrate, purge and reset, besides root and the daemon's
    own user. Default: no others."""


class Models(Section, frozen=True):
    """Where models lie and how long they stay in memory."""

    store: AbsolutePath | None = None
    """Directory of the model files. Default: `models` in the state directory."""
    catalogue: list[AbsolutePath] = []
    """Further catalogue files; an entry of a later file replaces one of an earlier file."""
    default: str | None = None
    """The model that `"default"` means in a request. Default: as `edge-rt models default` says."""
    preload: list[str] = []
    """Models that are loaded at start instead of by the first request."""
    idle_unload_s: Seconds = 900.0
    """A model that is unused for this long leaves memory; 0: it stays."""
    reserve_bytes: Annotated[int, Meta(ge=0)] = 256 * 1024 * 1024
    """Memory that loading a model must leave to other programs."""
    aliases: dict[Text, Text] = {}
    """Further names, as in `gpt-4o-mini: qwen2.5-0.5b-instruct`, also of `default` and `auto`."""
    smaller: dict[str, str] = {}
    """Which model stands in for which while the budget does not allow the first."""


class Engine(Section, frozen=True):
    """How models are run."""

    threads: Annotated[int, Meta(ge=1, le=512)] | None = None
    """Threads of the engine. Default: as many as there are cores that it may use, without slow ones
    that the others would wait for."""
    context: Annotated[int, Meta(ge=64, le=1 << 20)] = 4096
    """Most tokens of one conversation, answer included; a model that was trained for fewer gets
    fewer."""
    sequences: Annotated[int, Meta(ge=1, le=64)] = 4
    """Conversations at once; each takes memory for its context."""
    batch: Annotated[int, Meta(ge=16, le=4096)] = 512
    """Most tokens of one pass through the model."""
    prefill_chunk: Annotated[int, Meta(ge=8, le=4096)] = 128
    """Most prompt tokens of one pass beside running answers."""
    gpu_layers: Layers | Annotated[list[Layers], Meta(min_length=1)] = 0
    """Layers of a model that the GPU computes, where llama.cpp was built for one; 999: all. With a
    list the daemon chooses: the first is taken where nothing speaks against it."""
    gpu_bytes: Positive | None = None
    """Memory that models may use of a GPU with memory of its own. Default: what is free of it when
    the engine starts. Other GPUs share the board's memory."""
    rpc: list[str] = []
    """Other boards that run `edge-rt rpc`, such as `["10.0.0.12:50052"]`: `gpu_layers` may lie in
    their memory. Private addresses only, for the protocol knows no keys, and `offline: false`."""
    kv_type: KvType | Annotated[list[KvType], Meta(min_length=1)] | None = None
    """Number format of llama.cpp's keys and values. With a list the daemon chooses. Default: the
    first that suits model and GPU."""
    flash_attention: bool = True
    """Whether llama.cpp may use its fused attention kernels."""
    checkpoint_bytes: Annotated[int, Meta(ge=0, le=1 << 30)] | None = None
    """Memory for copies of the KV cache of running answers, which the next engine goes on from
    after a kill; 0: prompts are read again. Default: 1/64 of all memory, at most 256 MiB."""

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
    """Largest JSON body of a request."""
    bodies_bytes: Positive = 64 * 1024 * 1024
    """Most bytes of all bodies at once, and of what they are decoded to (estimated)."""
    queue: Positive = 64
    """Requests that wait or run; one more gets 503."""
    per_client: Positive = 32
    """The same for one client; one more gets 429."""
    per_minute: Positive | None = None
    """Requests that one client may send in a minute; one more gets 429. Default: no limit."""
    connections: Annotated[int, Meta(ge=2, le=768)] = 512
    """Connections of all clients; one client may have half of them. Fewer where the process may
    open few files."""
    max_n: Annotated[int, Meta(ge=1, le=64)] = 8
    """Largest `n`, the number of answers to one request."""
    context: bool = False
    """Whether chats that are longer than their model can read lose the parts that their last
    message is least about; otherwise they fail. `edge.context` of a request takes its place."""


class WallMeter(Section, frozen=True):
    """What a wall or USB meter reads, by the sensors: scale · P + offset_w.

    `edge-rt calibrate --meter` finds both.
    """

    scale: Annotated[float, Meta(ge=0.5, le=3)] = 1.0
    """Watts of the meter for each watt of the sensors."""
    offset_w: Annotated[float, Meta(ge=0, le=100)] = 0.0
    """Watts of the meter where the sensors would read none."""


class Sensors(Section, frozen=True):
    """How the board is read."""

    root: AbsolutePath = "/"
    """Directory below which `sys`, `proc` and `dev` are read; a simulated board has its own."""
    meter: WallMeter = WallMeter()
    """What corrects the power of the supply, for caps and joules too."""


class BudgetConfig(Section, frozen=True):
    """What the board may spend; a cap that is left out does not exist."""

    power_w: Amount | None = None
    """Most watts of the board's supply, as a mean over `power_window_s`."""
    power_window_s: Annotated[float, Meta(ge=0.2, le=60)] = 1.0
    """Length of that window. Take 5 or more for a sensor that is read once a second."""
    peak_ratio: Annotated[float, Meta(ge=1, le=10)] = 1.5
    """How many times `power_w` the power within a pass may be, as the governor predicts it."""
    temp_c: Annotated[float, Meta(gt=0, le=150)] | None = None
    """Highest temperature of the hottest zone, in °C."""
    energy_j: Amount | None = None
    """Most joules of the board's supply in each `energy_period`."""
    energy_period: Literal["hour", "day"] = "day"
    """Clock hour or UTC day."""


class Guard(Section, frozen=True):
    """Where the states of the guard begin, as shares of the trip point in °C."""

    caution: Share = 0.80
    """From here on no further model is loaded."""
    hold: Share = 0.85
    """From here on the state is reported as `hold`; running answers go on."""
    evacuate: Share = 0.975
    """From here on the engine stands still and new requests get 503."""
    hysteresis_c: Annotated[float, Meta(ge=0, le=30)] = 5.0
    """How far below its beginning a state is left, in kelvins."""


class GovernorConfig(Section, frozen=True):
    """How the budget is kept."""

    guard: Guard = Guard()
    """Where the guard's states begin."""
    sacrifice: tuple[Sacrifice, ...] = ("pace", "model", "queue", "refuse")
    """What is given up while the budget does not allow full speed, in this order: pace (answers
    slow down), model (a smaller one answers), queue (new requests wait), refuse (new requests get
    503)."""
    floor_duty: Share = 0.2
    """Share of the time that the setting with the least draw is expected to allow; below it the
    next sacrifice is made. The pace itself may be lower while the engine's power is uncertain."""
    horizon_s: Annotated[float, Meta(ge=5, le=300)] = 30.0
    """How far ahead the temperature is predicted."""


class Knobs(Section, frozen=True):
    """What the daemon sets on the board while it runs and puts back when it ends.

    A knob that is left out is not touched. Each needs the right to write the files, or to run the
    programs, of its knob.
    """

    cpufreq_max_hz: Annotated[float, Meta(ge=10e6)] | None = None
    """Highest clock of every core, in hertz."""
    cpufreq: Literal["governed"] | None = None
    """Whether the governor sets the highest clock of the CPU, never above `cpufreq_max_hz`."""
    gpufreq: Literal["governed"] | None = None
    """Whether the governor sets the highest clock of a Jetson's GPU."""
    nvpmodel: Text | None = None
    """A Jetson's power mode, by its name and never by its number. `fewest-joules`: the one that
    takes the fewest joules a token, found by probing at most five while answers are written."""
    tokens_per_s: Amount | None = None
    """With `fewest-joules`: tokens a second that a mode must write to be chosen."""


class Router(Section, frozen=True):
    """How a model is chosen for a request that leaves it open.

    The smallest model is chosen whose published figure reaches the floor, else the largest that
    keeps all limits.
    """

    quality: Literal["low", "normal", "high"] | Annotated[float, Meta(ge=0, le=1)] = "normal"
    """The floor for requests that name none: the mean share of right answers in the tests of the
    catalogue. low is 0.25, normal 0.5, high 0.75."""
    switch: Literal["lossy", "lossless", "off"] = "lossless"
    """How far a smaller model may help requests that name no mode, under a cap that slows their
    answers down. lossless: it drafts. lossy: where drafts do not suffice, it writes
    the tokens whose entropy is low, and answers alone where the floor allows that."""


class Ledger(Section, frozen=True):
    """What is kept of each request's cost; the totals of days and models stay."""

    path: AbsolutePath | None = None
    """The file. Default: `ledger.db` in the state directory."""
    days: Positive = 90
    """How long single requests are kept."""
    max_bytes: Annotated[int, Meta(ge=1024 * 1024)] = 32 * 1024 * 1024
    """Size of the file."""


class CheckerConfig(Section, frozen=True):
    """A program that tells which texts may be answers; see the guide to checks."""

    command: Annotated[list[Text], Meta(min_length=1)]
    """The program, with its path, and its arguments."""
    timeout_s: Annotated[float, Meta(gt=0, le=2)] = 1.0
    """Seconds that it may take for one token; then the request fails and the program is ended."""
    memory_bytes: Annotated[int, Meta(ge=1024 * 1024)] = 512 * 1024 * 1024
    """Address space of its process."""


class AnswerChecker(Section, frozen=True):
    """A program that judges whole answers in a sandbox; see the guide to samples."""

    command: Annotated[list[Text], Meta(min_length=1)]
    """The program, with its path, and its arguments. Of the files on the disk it sees those of the
    system's programs and the paths that are named here."""
    seconds: Annotated[float, Meta(gt=0, le=60)] = 5.0
    """Seconds that it may take for one answer."""
    memory_bytes: Annotated[int, Meta(ge=16 * 1024 * 1024)] = 256 * 1024 * 1024
    """Memory of all its processes together, and address space of each."""


class Log(Section, frozen=True):
    """What the daemon writes to standard error."""

    level: Annotated[str, Meta(pattern="^(debug|info|warning|error)\\Z")] = "info"
    """`debug`, `info`, `warning` or `error`."""


class Config(Section, frozen=True):
    """The whole of config.yaml."""

    board: str | None = None
    """Id of the board's profile. Default: the board is recognised."""
    battery_wh: Amount | None = None
    """Energy of the board's full battery, in watt-hours. Default: none."""
    offline: bool = True
    """Whether the daemon and its engine refuse to connect to anything."""
    socket: Socket = Socket()
    tcp: Tcp = Tcp()
    access: Access = Access()
    models: Models = Models()
    engine: Engine = Engine()
    requests: Requests = Requests()
    images: Images = Images()
    sensors: Sensors = Sensors()
    budget: BudgetConfig = BudgetConfig()
    governor: GovernorConfig = GovernorConfig()
    knobs: Knobs = Knobs()
    router: Router = Router()
    ledger: Ledger = Ledger()
    cache: Cache = Cache()
    warm: list[Warm] = []
    """Prefixes that are read at start and whenever the model is loaded, one after the other while
    no request is under way. They are pinned in the engine's memory; see `edge.pin` of a request."""
    checks: dict[CheckName, CheckerConfig] = {}
    """Programs that `edge.check` of a request may name, by these names."""
    checkers: dict[CheckName, AnswerChecker] = {}
    """Programs that `edge.samples.accept.checker` of a request may name, by these names."""
    applications: dict[AppName, AppBudget] = {}
    """Budgets by application; `*` is for all others together."""
    speech: Speech = Speech()
    log: Log = Log()

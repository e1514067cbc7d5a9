"""The engine process: `python -m edge_rt.engine.worker [OPTION...] SOCKET BEAT CHECKPOINTS`.

The last three are descriptors. With `simulated-gpu` layers that are to lie on a GPU are computed by
the CPU, and their time counts as the GPU's: a simulated board has no other. With `rpc=HOST:PORT`
they may lie on another board.

One thread owns all models and runs the decode loop; between two passes, and in the rests that a
duty below 1 puts there, it takes what has arrived on the socket. Models are loaded in a thread of
their own so that running streams go on. When the front's end of the socket closes, the engine
exits; the kernel ends one that cannot, where the front has ended.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING

from edge_rt.core.logs import log_to_stderr
from edge_rt.core.system.process import end_with_parent
from edge_rt.engine.channel import Heartbeat
from edge_rt.engine.kv.checkpoints import Checkpoints
from edge_rt.engine.protocol import ModelSpec
from edge_rt.engine.supervisor import RPC
from edge_rt.engine.worker.loading import make_backend, make_without_gpu, open_vocabulary, versions
from edge_rt.engine.worker.model_registry import AnyBackend
from edge_rt.engine.worker.worker import Worker

if TYPE_CHECKING:
    from edge_rt.backends.llama.rpc import Peers

log = logging.getLogger("edge_rt.engine.worker")  # not "__main__"


def main(argv: list[str]) -> int:
    """Run the engine on the socket of the first descriptor; the others are memory, -1: none."""
    *options, sock, beat, checkpoints = argv[1:]
    end_with_parent(int(sock))
    # The front decides when to stop: a Ctrl-C or a TERM for the whole group must not cut streams.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    log_to_stderr("warning")
    # Where llama.cpp gives up it would have a debugger, where there is one, attach for seconds.
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")
    from edge_rt.backends.llama.devices import gpu_devices
    from edge_rt.backends.llama.model import SharedWeights, park_threads
    from edge_rt.backends.llama.rpc import Peers

    simulated = "simulated-gpu" in options
    peers = Peers(one.removeprefix(RPC) for one in options if one.startswith(RPC))

    weights = SharedWeights()

    def make(spec: ModelSpec, threads: int) -> AnyBackend:
        if spec.gpu_layers:
            join(peers)  # those that were away when this engine started
        return make_backend(spec, threads, weights)

    join(peers)
    kept = None
    try:
        kept = Checkpoints(int(checkpoints)) if int(checkpoints) >= 0 else None
    except OSError as error:
        log.warning("what was under way is read again if this engine is killed: %s", error)
    Worker(
        socket.socket(fileno=int(sock)),
        partial(make_without_gpu, weights=weights) if simulated else make,
        backends=versions(),
        threads=len(os.sched_getaffinity(0)),
        gpus=[] if simulated else gpu_devices(),
        park=park_threads,
        open_vocabulary=open_vocabulary,
        beat=Heartbeat(int(beat)),
        checkpoints=kept,
    ).run()
    return 0


def join(peers: Peers) -> None:
    """Take the peers that are there, and log what keeps others away."""
    for reason in peers.join():
        log.warning("%s", reason)


if __name__ == "__main__":
    sys.exit(main(sys.argv))

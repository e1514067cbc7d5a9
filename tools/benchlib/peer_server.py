"""Run llama.cpp's own HTTP server inside this process until SIGTERM.

Started with the Python of the environment that holds xllamacpp (see `peer`), never with ours.
"""

from __future__ import annotations

import argparse
import signal

import xllamacpp  # pyright: ignore[reportMissingImports]


def main() -> None:
    options = _options()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    server = xllamacpp.Server(_params(options))
    print("listening on", server.listening_address, flush=True)
    signal.sigwait({signal.SIGTERM})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    for name in ("port", "threads", "context", "parallel"):
        parser.add_argument(f"--{name}", type=int, required=True)
    return parser.parse_args()


def _params(options: argparse.Namespace) -> xllamacpp.CommonParams:
    """The server's own defaults but for what both sides must have alike."""
    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.port = options.port  # on 127.0.0.1, its default
    params.n_ctx = options.context
    params.n_parallel = options.parallel
    params.kv_unified = True  # faster here than one part for each sequence, its other mode
    params.cont_batching = True
    params.cpuparams.n_threads = options.threads
    params.cpuparams_batch.n_threads = options.threads
    params.fit_params = False  # it may not choose another context
    return params


if __name__ == "__main__":
    main()

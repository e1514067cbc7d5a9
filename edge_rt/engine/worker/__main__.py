"""The program of the engine; see edge_rt.engine.worker.worker."""

from __future__ import annotations

import sys

from edge_rt.engine.worker.worker import main

if __name__ == "__main__":
    sys.exit(main(sys.argv))

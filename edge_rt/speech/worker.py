"""The companion process: `python -m edge_rt.speech.worker`, with tasks on its standard input.

It does one task after the other and answers on its standard output, and ends with its input. A
model stays in memory until the process ends.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edge_rt.core.errors import EdgeError, ModelFileError, RequestError
from edge_rt.core.system.process import end_with_parent, frames, go_first, write_frame
from edge_rt.speech.protocol import NOT_INSTALLED, Reply, SpeechRefusal, Task, Transcribe

if TYPE_CHECKING:
    from edge_rt.speech.transcriber import Transcriber
    from edge_rt.speech.voice import Voice

EXTRA = "pip install 'edge-rt[speech]'"
_decoder = msgspec.msgpack.Decoder(Task)


def main() -> int:
    """Do tasks until there are no more."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no reply
    end_with_parent(replies.fileno())
    go_first()
    # Threads that spin while they wait would heat the board, and be counted as work.
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

    def tell(reply: Reply) -> None:
        write_frame(replies, msgspec.msgpack.encode(reply))

    held: dict[str, Any] = {}
    for content in frames(sys.stdin.buffer):
        tell(_done(_decoder.decode(content), tell, held))
    return 0


def _done(task: Task, tell: Callable[[Reply], None], held: dict[str, Any]) -> Reply:
    """Return the last word on a task; never raises. Models stay in `held`."""
    try:
        if task.model not in held:
            held[task.model] = _loaded(task)
        return held[task.model].perform(task, tell)
    except RequestError as error:
        return SpeechRefusal(str(error), error.param, error.code)
    except ModuleNotFoundError as error:
        return SpeechRefusal(f"{error.name} is not installed: {EXTRA}", code=NOT_INSTALLED)
    except Exception as error:  # a library's own, which the next task may not have
        why = str(error) if isinstance(error, EdgeError) else f"{type(error).__name__}: {error}"
        return SpeechRefusal(why)


def _loaded(task: Task) -> Transcriber | Voice:
    if not (path := Path(task.model)).is_file():
        raise ModelFileError(f"{path}: there is no such file; see `speech` of the configuration")
    if isinstance(task, Transcribe):
        from edge_rt.speech.transcriber import Transcriber

        return Transcriber(path)
    from edge_rt.speech.voice import Voice

    return Voice(path, task.threads)


if __name__ == "__main__":
    sys.exit(main())

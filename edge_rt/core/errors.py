"""Every error that edge_rt raises on purpose.

Each is also the builtin that fits it, so a caller who knows nothing of edge_rt can still catch
it. A message says what was wrong, where, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterable


class EdgeError(Exception):
    """Base of every edge_rt error."""


class ConfigError(EdgeError, ValueError):
    """A configuration file does not hold what it must.

    Carries the place so that a message can point at it; `line` is 1-based and None when the
    file as a whole is at fault.
    """

    def __init__(self, message: str, *, file: str, line: int | None = None, key: str = "") -> None:
        place = file if line is None else f"{file}:{line}"
        super().__init__(f"{place}: {key}: {message}" if key else f"{place}: {message}")
        self.file = file
        self.line = line
        self.key = key


class ListenError(EdgeError, OSError):
    """A listening socket cannot be had: its address is taken or its directory is not safe."""


class StateError(EdgeError, OSError):
    """The directory for what outlives the daemon is not one to use."""


class RequestError(EdgeError, ValueError):
    """A request asks for something that cannot be done as asked.

    `param` names the offending request field (None when no single field is at fault) and `code`
    is a stable machine-readable word such as "context_length_exceeded".
    """

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.code = code


def invalid(param: str, what: str) -> RequestError:
    """Return the error for a field of a request whose value cannot be, as `what` says."""
    return RequestError(f"`{param}`: {what}.", param=param, code="invalid_value")


def missing(param: str) -> RequestError:
    """Return the error for a field that a request must have."""
    return RequestError(f"`{param}` is required.", param=param, code="missing_required_parameter")


class ModelNotFound(EdgeError, LookupError):
    """No model of that name is in the store."""


class NotCached(EdgeError, LookupError):
    """Only an answer from the cache is wanted, and there is none."""


class ModelFileError(EdgeError, ValueError):
    """A model file is truncated, corrupt, of an unknown kind or not the one it claims to be."""


class DamagedFile(ModelFileError):
    """A file in the model store is gone or no longer what came in."""


class StoreError(EdgeError, OSError):
    """The model store cannot be read or written."""


class Unavailable(EdgeError, RuntimeError):
    """It may work later: the queue is full, a load failed, or the engine is restarting.

    `retry_after_s` is the number of seconds after which trying again makes sense; None where
    somebody has to mend something first.
    """

    def __init__(
        self, message: str, *, retry_after_s: float | None, code: str = "unavailable"
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.code = code


class EngineError(EdgeError, RuntimeError):
    """The engine process failed in a way that the request did not cause."""


class EngineBroken(EngineError):
    """What the engine computes is of no use: it is in a bad state, or a model is damaged."""


class EngineStopped(EngineError):
    """The engine was told to stop, with the daemon, before the answer was complete."""


class ProtocolError(EdgeError, ValueError):
    """A frame between front and engine is malformed or of another protocol version."""


def closest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the one of `known` that is most like `name`, for a message; None: none is.

    They must share `cutoff` of their letters, 0 to 1.
    """
    import difflib  # only a wrong name needs it

    return next(iter(difflib.get_close_matches(name, list(known), 1, cutoff)), None)

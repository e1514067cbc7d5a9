"""YAML files that people write."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import yaml

from edge_rt.errors import ConfigError

# libyaml reads 16 times as fast; some builds of PyYAML are without it.
LOADER = cast("type[yaml.CSafeLoader]", getattr(yaml, "CSafeLoader", yaml.SafeLoader))

NO_YAML = (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError)
"""What yaml.safe_load raises for what is none; a tag that its value does not fit among them."""


def read_yaml(path: Path) -> Any:
    """What a file holds, None where it is empty; raises ConfigError, with the line if it can."""
    try:
        content = path.read_bytes()
        with suppress(*NO_YAML):
            return yaml.load(content, LOADER)
        return yaml.safe_load(content)  # PyYAML's own parser says better what is wrong
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        raise ConfigError(reason, file=str(path)) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ConfigError(str(error.problem), file=str(path), line=line) from error
    except NO_YAML as error:
        raise ConfigError(f"not YAML: {error}", file=str(path)) from error

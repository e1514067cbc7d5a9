"""Which tasks there are."""

from __future__ import annotations

from evallib.task import Task
from evallib.tasks.arc import Arc
from evallib.tasks.gsm8k import Gsm8k
from evallib.tasks.humaneval import HumanEval
from evallib.tasks.math500 import Math500
from evallib.tasks.mmlu import Mmlu
from evallib.tasks.svamp import Svamp

_ALL = (Gsm8k, HumanEval, Arc, Mmlu, Svamp, Math500)
NAMES = tuple(kind.name for kind in _ALL)


def task_of(name: str) -> Task:
    """The task of that name; raises KeyError."""
    return {kind.name: kind for kind in _ALL}[name]()

"""An example or two for each command, which its `--help` ends with."""

from __future__ import annotations

from collections.abc import Mapping

import click

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "serve": ("edge-rt serve --socket ./edge-rt.sock",),
    "run": (
        'edge-rt run "What is the capital of France?"',
        'dmesg | edge-rt run --prefer quality "Is anything wrong here?"',
    ),
    "chat": ("edge-rt chat --model smollm2-135m-instruct",),
    "models list": ("edge-rt models list --json",),
    "models suggest": (
        "edge-rt models suggest --task tools",
        "edge-rt models suggest --board raspberry-pi-5 --memory 8",
    ),
    "models pull": (
        "edge-rt models pull",
        "edge-rt models pull hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M",
    ),
    "models add": ("edge-rt models add ./my-model.gguf --id my-model",),
    "models default": ("edge-rt models default smollm2-135m-instruct",),
    "models show": ("edge-rt models show smollm2-135m-instruct",),
    "models verify": ("edge-rt models verify smollm2-135m-instruct",),
    "models remove": ("edge-rt models remove smollm2-135m-instruct",),
    "models export": ("edge-rt models export ./stick smollm2-135m-instruct",),
    "models import": ("sudo edge-rt models import ./stick",),
    "models quantize": ("edge-rt models quantize my-model q4_k_m",),
    "models convert": ("edge-rt models convert ./hub-folder ./converted --bits 8",),
    "status": ("edge-rt status --json",),
    "ps": ("edge-rt ps",),
    "sensors": ("edge-rt sensors --json",),
    "top": ("edge-rt top",),
    "open": ("edge-rt open --print",),
    "ledger": ("edge-rt ledger --days 7 --last 5",),
    "cache show": ("edge-rt cache show",),
    "cache purge": ("edge-rt cache purge --older 86400",),
    "router show": ("edge-rt router show",),
    "router reset": ("edge-rt router reset --model smollm2-135m-instruct",),
    "plan": ('edge-rt plan "What is the capital of France?"',),
    "trace": ("edge-rt trace chatcmpl-5f1c",),
    "calibrate": ("edge-rt calibrate --quick",),
    "tune": ("edge-rt tune LARGE+SMALL --from switch.json --floor 0.98",),
    "doubt": ("edge-rt doubt smollm2-135m-instruct --from answers.jsonl",),
    "budget": (
        "edge-rt budget --power 7.5 --temp 70",
        "edge-rt budget --power none",
    ),
    "report": ("edge-rt report --since 6h --out report.html",),
    "key": ("edge-rt key",),
    "check-config": ("edge-rt check-config /etc/edge-rt/config.yaml",),
    "doctor": ("edge-rt doctor", "edge-rt doctor --bundle bundle.tar.gz"),
    "twin": ("edge-rt twin --board raspberry-pi-5 --watch 1 --dir ./twin",),
}


def add_examples(path: str, command: click.Command) -> None:
    """Let the help of the command at `path`, and of those below it, end with its examples."""
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            add_examples(f"{path} {name}", each)
    elif (examples := EXAMPLES.get(path)) and command.epilog is None:
        lines = "".join(f"\n  {example}" for example in examples)
        command.epilog = f"\b\nExamples:{lines}" if len(examples) > 1 else f"\b\nExample:{lines}"

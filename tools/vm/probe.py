"""The unit of the service with the deeds of `vm.guest.deeds` in the daemon's place."""

from __future__ import annotations

UNIT = "edge-rt-vm-probe.service"
TOLD = "/run/edge-rt-vm-probe.json"
TOOLS = "/checkout/tools"  # where a guest has this checkout's
DEEDS = ("env", f"PYTHONPATH={TOOLS}", "/usr/bin/python3", "-m", "vm.guest.deeds")

_INSTEAD = f"""\
[Service]
Type=oneshot
Restart=no
WatchdogSec=0
ExecReload=
ExecStart=
ExecStart={" ".join(("/usr/bin/env", *DEEDS[1:]))} try
StandardOutput=truncate:{TOLD}
"""


def units(service: str) -> dict[str, str]:
    """Files of a guest by their place; `service` is the text of the service's unit."""
    place = f"etc/systemd/system/{UNIT}"
    return {place: service, f"{place}.d/instead.conf": _INSTEAD}

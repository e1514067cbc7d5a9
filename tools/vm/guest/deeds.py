"""What the service must not be able to do, and what it must: tried in a guest, one by one.

`python3 -m vm.guest.deeds prepare` makes what they need, `try` prints as JSON how each ended.
Standard library only.
"""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path

from vm.guest import acts
from vm.guest.deed import CONTAINER, DONE, KERNEL, Deed, attempt


def _ends(*words: str) -> frozenset[str]:
    return frozenset(words)


_ALLOWED, _KERNEL = _ends(DONE), _ends(KERNEL)
_FILES = _ends(CONTAINER)  # the root of the guest with a kernel of its own is read-only

DEEDS: dict[str, Deed] = {
    "write what is its own": Deed(
        lambda: acts.write_own("STATE_DIRECTORY"), _ALLOWED, places=_ends()
    ),
    "write beside its socket": Deed(
        lambda: acts.write_own("RUNTIME_DIRECTORY"), _ALLOWED, places=_ends()
    ),
    "read its configuration": Deed(lambda: Path("/etc/edge-rt/config.yaml").read_text(), _ALLOWED),
    "a Unix socket": Deed(lambda: acts.family("AF_UNIX"), _ALLOWED),
    **{
        f"write below {folder}": Deed(partial(acts.write, folder), _ends("EROFS"), places=_FILES)
        for folder in acts.OPENED
    },
    "write what the kernel is set by": Deed(
        lambda: os.close(os.open("/proc/sys/kernel/panic", os.O_WRONLY)),
        _ends("EROFS", "EACCES"),
        places=_KERNEL,
    ),
    "write control groups": Deed(
        lambda: Path("/sys/fs/cgroup/edge-rt-vm").mkdir(), _ends("EROFS"), places=_KERNEL
    ),
    "read homes": Deed(lambda: list(Path("/home").iterdir()), _ends("EACCES")),
    "read what others have in /tmp": Deed(lambda: acts.SECRET.read_text(), _ends("ENOENT")),
    "see other processes": Deed(lambda: Path("/proc/1/status").read_text(), _ends("ENOENT")),
    "signal other processes": Deed(lambda: os.kill(1, 0), _ends("EPERM")),
    "trace a process": Deed(acts.trace_a_child, _ends("EPERM")),
    **{
        f"a socket of {name}": Deed(partial(acts.family, name), _ends("EAFNOSUPPORT"))
        for name in ("AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET")
    },
    **{
        f"a new {name} namespace": Deed(partial(acts.call, "unshare", flag), _ends("EPERM"))
        for name, flag in acts.NAMESPACES.items()
    },
    "another's namespace": Deed(
        partial(acts.call, "setns", -1, 0), _ends("EPERM"), reached=_ends("EBADF")
    ),
    "memory to write and run": Deed(acts.map_code, _ends("EPERM", "EACCES")),
    "another personality": Deed(partial(acts.call, "personality", acts.NO_RANDOM), _ends("EPERM")),
    "real-time priority": Deed(acts.real_time, _ends("EPERM"), places=_KERNEL),
    "a file that makes whoever runs it its owner": Deed(acts.make_setuid, _ends("EPERM")),
    "a device node": Deed(
        partial(acts.call, "mknod", b"/run/edge-rt/node", 0o20666, 0x0103),
        _ends("EPERM"),
        reached=_ends(DONE, "EEXIST"),
        places=_KERNEL,
    ),
    # By a program in the control group, which a container does not get.
    "open a device that it was not given": Deed(
        acts.open_node, _ends("EPERM"), places=_KERNEL, held=_KERNEL
    ),
    "mount": Deed(
        partial(acts.call, "mount", b"none", b"/", b"none", 0, None),
        _ends("EPERM"),
        reached=_ends("ENODEV"),
    ),
    # With arguments that the kernel would refuse whoever asks.
    "swap": Deed(partial(acts.call, "swapon", None, 0), _ends("EPERM"), _ends("EFAULT"), _KERNEL),
    "reboot": Deed(partial(acts.call, "reboot", 0, 0, 0), _ends("EPERM"), _ends("EINVAL"), _KERNEL),
    "load a module": Deed(
        partial(acts.call, "init_module", None, 0, None),
        _ends("EPERM"),
        _ends("EFAULT", "ENOEXEC"),
        _KERNEL,
    ),
    "another kernel": Deed(
        partial(acts.call, "kexec_load", 0, 0, None, -1), _ends("EPERM"), _ends("EINVAL"), _KERNEL
    ),
    "a key of the kernel": Deed(
        partial(acts.call, "add_key", None, None, None, 0, 0),
        _ends("EPERM"),
        _ends("EFAULT"),
        _KERNEL,
    ),
    "performance counters": Deed(
        partial(acts.call, "perf_event_open", None, 0, 0, -1, 0),
        _ends("EPERM"),
        _ends("EFAULT"),
        _KERNEL,
    ),
    "a program in the kernel": Deed(
        partial(acts.call, "bpf", -1, None, 0), _ends("EPERM"), _ends("EINVAL", "EFAULT"), _KERNEL
    ),
    "the kernel's log": Deed(
        partial(acts.call, "syslog", 10, None, 0), _ends("EPERM"), places=_KERNEL
    ),
    "the clock": Deed(
        partial(acts.call, "clock_settime", 0, None), _ends("EPERM"), _ends("EFAULT"), _KERNEL
    ),
    "the host's name": Deed(
        partial(acts.call, "sethostname", None, -1), _ends("EPERM"), _ends("EINVAL")
    ),
    "ports of the processor": Deed(partial(acts.call, "iopl", 0), _ends("EPERM"), places=_KERNEL),
}


def faults(inside: dict[str, str], root: dict[str, str], place: str) -> list[str]:
    """Return what ended wrongly in the sandbox, and for root outside of it in `place`."""
    found = [f"no such deed: {name}" for name in {*inside, *root} - set(DEEDS)]
    for name, deed in DEEDS.items():
        if place in deed.held and inside.get(name) not in deed.ends:
            found.append(f"in the sandbox {name}: {inside.get(name)}")
        if place in deed.places and root.get(name) not in deed.reached:
            found.append(f"root outside of it {name}: {root.get(name)}")
    return found


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        acts.prepare()
    else:
        print(json.dumps({name: attempt(deed) for name, deed in DEEDS.items()}))

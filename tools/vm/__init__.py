"""`tools/test --vm`: our readers against the unmodified kernel driver, and our service on a board
whose power is cut, in guests under QEMU.

The first guest boots Debian's kernel with this machine's own Python, the checkout's `edge_rt` and
smbus2 as its whole root. The INA3221 is a register file in memory (i2c-stub) on which both our
raw reader and the kernel's driver work. The others boot from a read-only disk: Debian's systemd,
and edge_rt as tools/install installs it from wheels. Nothing but packages of tools is installed
here: kernel, sources and Debian root are downloaded and unpacked into the cache.

A guest's power is cut by killing QEMU. So all that the guest's kernel had not yet written is lost,
and what it was writing may be there in part. What a disk had accepted stays: a disk that lies about
its cache, or that damages neighbours of what it writes, is not modelled.

The same Debian root, booted by systemd-nspawn, is what tests/vm runs in.

Standard library only, but for `vm.guest`, which runs in guests.
"""

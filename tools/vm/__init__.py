"""`tools/test --vm`: our readers against the unmodified kernel driver, in a guest under QEMU.

The guest boots Debian's kernel with this machine's own Python, the checkout's `edge_rt` and
smbus2 as its whole root. The INA3221 is a register file in memory (i2c-stub) on which both our
raw reader and the kernel's driver work. Nothing but packages of tools is installed here: the
kernel and its sources are downloaded and unpacked into the cache.

Standard library only, but for `vm.guest`, which runs in the guest.
"""

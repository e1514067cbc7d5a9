"""`tools/test --arm64`: this checkout on aarch64, as QEMU's user mode runs it on any processor."""

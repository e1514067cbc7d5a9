#!/bin/bash -e
# Needs edge_rt's package for arm64 in files/. pi-gen has entered this folder.
# Not in /tmp: on_chroot mounts another file system there.

install -m 644 files/edge-rt_*.deb "${ROOTFS_DIR}/var/cache/edge-rt.deb"
on_chroot <<EOF
DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends /var/cache/edge-rt.deb
EOF
rm "${ROOTFS_DIR}/var/cache/edge-rt.deb"

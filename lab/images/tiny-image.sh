#!/usr/bin/env bash
# Builds a tiny guest for tests: a qcow2 disk that boots in seconds even under emulation.
#
#   tiny-image.sh OUT.qcow2 [PACKAGE PROGRAM]
#
# With PROGRAM (/usr/sbin/keepalived) of a Debian package, the guest has that and the libraries it is linked to.
#
# A FAT partition with SYSLINUX, the distribution's cloud kernel and an initramfs of busybox and a
# few modules. Nothing is mounted or installed and no root is needed. The guest asks for DHCP on
# every interface, takes its name from the CIDATA seed or from DHCP, and says on ttyS0:
#
#   IROKO-TEST boot hostname=NAME
#   IROKO-TEST nic=IF mac=MAC ip=ADDRESS/LENGTH mtu=MTU hostname=NAME gateway=ADDRESS
#
# It serves its name by HTTP on port 80 and runs the shell commands it is sent on port 7777 (it is
# a test guest, for closed networks only), and switches off at once when asked by ACPI.
#
# Needs: apt-get, dpkg-deb, busybox (static), mtools, syslinux, qemu-img, xz; mmdebstrap for a program. The kernel package is
# kept in IROKO_IMAGE_CACHE (default: ~/.cache/iroko-images).
set -euo pipefail

[[ $# -eq 1 || $# -eq 3 ]] || { echo "usage: $0 OUT.qcow2 [PACKAGE PROGRAM]" >&2; exit 2; }
out=$(realpath -m "$1") program_package=${2-} program=${3-}
cache=${IROKO_IMAGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/iroko-images}
here=$(dirname "$(realpath "$0")")
# shellcheck source=apt.sh
. "$here/apt.sh"
mkdir -p "$cache" "$(dirname "$out")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

readonly SECTOR=512 START_SECTOR=2048 PARTITION_SECTORS=63488 # 31 MiB
readonly MODULES=(virtio_pci virtio_blk virtio_net virtio_rng virtio_balloon
  vfat nls_cp437 nls_ascii nls_utf8 button evdev)
# Loaded when something asks for them.
readonly ON_DEMAND=(macvlan)

kernel_package() {
  local architecture package
  architecture=$(dpkg --print-architecture)
  [[ $architecture == amd64 ]] || { echo "only amd64 boots by SYSLINUX" >&2; exit 1; }
  package=$(apt-cache depends "linux-image-cloud-$architecture" | awk '/Depends: linux-image-/ { print $2; exit }')
  [[ -n $package ]] || { echo "no linux-image-cloud-$architecture known to apt; run apt-get update" >&2; exit 1; }
  if ! compgen -G "$cache/${package}_*.deb" >/dev/null; then
    (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$package" && mv "${package}"_*.deb "$cache/") >&2
  fi
  compgen -G "$cache/${package}_*.deb" | tail -n 1
}

# Copies a module and all it needs, by the names depmod found.
copy_modules() {
  local from=$1 to=$2 version=$3 name line path
  busybox depmod -b "$from" "$version"
  for name in "${MODULES[@]}" "${ON_DEMAND[@]}"; do
    line=$(grep -E "/${name//_/[_-]}\.ko(\.xz)?:" "$from/lib/modules/$version/modules.dep") ||
      { echo "kernel has no module $name" >&2; exit 1; }
    for path in ${line/:/ }; do
      install -D -m 0644 "$from/lib/modules/$version/$path" "$to/lib/modules/$version/$path"
    done
  done
  busybox depmod -b "$to" "$version"
}

# The program and its libraries, from packages that are unpacked and not installed.
copy_program() {
  local to=$1 from=$work/packages loader library
  local -a paths
  bootstrap "$work" "$from" --variant=extract --include="libc6,$program_package"
  paths=("$from"/lib/x86_64-linux-gnu "$from"/usr/lib/x86_64-linux-gnu)
  loader=$from/lib64/ld-linux-x86-64.so.2
  [[ -e $loader ]] || loader=$from/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
  install -D -m 0755 "$from$program" "$to$program"
  install -D -m 0755 "$loader" "$to/lib64/ld-linux-x86-64.so.2"
  for library in $("$loader" --library-path "${paths[0]}:${paths[1]}" --list "$from$program" | awk '$2 == "=>" { print $3 }'); do
    [[ $library = "$from"/* ]] || { echo "$program needs $library, which no package of it has" >&2; exit 1; }
    install -D -m 0644 "$library" "$to/lib/x86_64-linux-gnu/$(basename "$library")"
  done
}

initramfs() {
  local root=$work/root version=$1
  mkdir -p "$root"/{bin,dev,proc,sys,run,seed,www,etc/acpi/PWRF}
  install -m 0755 "$(command -v busybox)" "$root/bin/busybox"
  install -m 0755 "$here/tiny/init" "$root/init"
  install -m 0755 "$here/tiny/udhcpc.sh" "$root/etc/udhcpc.sh"
  install -m 0755 "$here/tiny/power-off" "$root/etc/acpi/PWRF/00000080"
  printf '%s\n' "${MODULES[@]}" >"$root/etc/modules"
  copy_modules "$work/kernel" "$root" "$version"
  [[ -z $program ]] || copy_program "$root"
  (cd "$root" && find . | LC_ALL=C sort | busybox cpio -o -H newc 2>/dev/null | gzip -9 -n) >"$work/initrd.gz"
}

# One active FAT partition (type 0x0e); heads and cylinders are not used by anything here.
partition_table() {
  local le32='\\x%02x\\x%02x\\x%02x\\x%02x' entry
  # shellcheck disable=SC2059
  le() { printf "$le32" $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); }
  entry="\\x80\\xfe\\xff\\xff\\x0e\\xfe\\xff\\xff$(le $START_SECTOR)$(le $PARTITION_SECTORS)"
  dd if=/usr/lib/syslinux/mbr/mbr.bin of="$1" conv=notrunc status=none
  printf '%b' "$entry" | dd of="$1" bs=1 seek=446 conv=notrunc status=none
  printf '\x55\xaa' | dd of="$1" bs=1 seek=510 conv=notrunc status=none
}

disk() {
  local disk=$work/disk.raw offset=$((START_SECTOR * SECTOR)) vmlinuz=$1
  truncate -s $(((START_SECTOR + PARTITION_SECTORS) * SECTOR)) "$disk"
  partition_table "$disk"
  mformat -i "$disk@@$offset" -T "$PARTITION_SECTORS" -h 255 -s 63 -H "$START_SECTOR" -v IROKO -N 1b0c0da7 ::
  cat >"$work/syslinux.cfg" <<-'CFG'
	DEFAULT tiny
	PROMPT 0
	TIMEOUT 1
	LABEL tiny
	  LINUX vmlinuz
	  INITRD initrd.gz
	  APPEND console=ttyS0 quiet panic=1 no_timer_check random.trust_cpu=on
	CFG
  mcopy -i "$disk@@$offset" "$vmlinuz" ::vmlinuz
  mcopy -i "$disk@@$offset" "$work/initrd.gz" "$work/syslinux.cfg" ::
  syslinux --offset "$offset" --install "$disk"
  qemu-img convert -q -f raw -O qcow2 -c "$disk" "$out.tmp"
  mv "$out.tmp" "$out"
}

package=$(kernel_package)
dpkg-deb -x "$package" "$work/kernel"
version=$(basename "$work"/kernel/lib/modules/*)
initramfs "$version"
disk "$work/kernel/boot/vmlinuz-$version"
echo "$out: kernel $version, $(du -h "$out" | cut -f1)"

#!/usr/bin/env bash
# Builds a Debian 12 guest with cloud-init as a compressed qcow2 disk, the way a tenant would use it.
#
#   debian-image.sh OUT.qcow2
#
# Partition 1 is FAT with SYSLINUX, kernel and initrd (mounted at /boot), partition 2 the ext4 root.
# Nothing is mounted; packages come from wherever this machine's apt gets its own. Needs root (for
# mmdebstrap), mmdebstrap, mtools, syslinux, e2fsprogs, qemu-img. A result with the same inputs is
# kept in IROKO_IMAGE_CACHE (default: ~/.cache/iroko-images) and copied.
set -euo pipefail

[[ $# -eq 1 ]] || { echo "usage: $0 OUT.qcow2" >&2; exit 2; }
out=$(realpath -m "$1")
here=$(dirname "$(realpath "$0")")
# shellcheck source=apt.sh
. "$here/apt.sh"
cache=${IROKO_IMAGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/iroko-images}
mkdir -p "$cache" "$(dirname "$out")"

readonly SECTOR=512 BOOT_START=2048 BOOT_SECTORS=260096 ROOT_START=262144 ROOT_MIB=2048
readonly PACKAGES=linux-image-cloud-amd64,systemd-sysv,systemd-resolved,init,udev,dbus,cloud-init,cloud-guest-utils,netplan.io,openssh-server,e2fsprogs,fdisk,iproute2,iputils-ping,sudo,ca-certificates

# The inputs: these scripts, and what apt would install today.
inputs() { cat "$(realpath "$0")" "$here/apt.sh"; apt-cache policy ${PACKAGES//,/ } | grep -E '^[a-z]|Candidate'; }
key=$(inputs | sha256sum | cut -c1-16)
cached=$cache/debian-$SUITE-$key.qcow2
if [[ -f $cached ]]; then
  cp --reflink=auto "$cached" "$out"
  echo "$out: as built before"
  exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root disk=$work/disk.raw

debian() {
  bootstrap "$work" "$root" --variant=minbase --include="$PACKAGES" \
    --dpkgopt='path-exclude=/usr/share/{doc,man,locale,info}/*' \
    --customize-hook='rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/etc/apt/sources.list.d/*; : >"$1/etc/apt/sources.list"'
}

configure() {
  cat >"$root/etc/fstab" <<-'FSTAB'
	LABEL=root / ext4 defaults 0 1
	LABEL=BOOT /boot vfat umask=0077 0 2
	FSTAB
  cat >"$root/etc/cloud/cloud.cfg.d/90-iroko.cfg" <<-'CFG'
	datasource_list: [NoCloud]
	apt: { preserve_sources_list: true }
	locale: C.UTF-8
	ssh_genkeytypes: [ed25519, ecdsa]
	CFG
  : >"$root/etc/machine-id"
  rm -f "$root"/etc/ssh/ssh_host_*_key* "$root/etc/hostname"
  systemctl --root="$root" enable systemd-networkd systemd-resolved ssh serial-getty@ttyS0 2>/dev/null
  ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
  # No package is looked for on its own: a first boot is short and the same every time.
  systemctl --root="$root" mask apt-daily.timer apt-daily-upgrade.timer 2>/dev/null
}

boot_partition() {
  local image="$disk@@$((BOOT_START * SECTOR))" kernel initrd
  kernel=$(compgen -G "$root/boot/vmlinuz-*" | tail -n 1)
  initrd=$(compgen -G "$root/boot/initrd.img-*" | tail -n 1)
  cat >"$work/syslinux.cfg" <<-'CFG'
	DEFAULT debian
	PROMPT 0
	TIMEOUT 1
	LABEL debian
	  LINUX vmlinuz
	  INITRD initrd.img
	  APPEND root=LABEL=root ro console=ttyS0 quiet net.ifnames=0
	CFG
  mformat -i "$image" -F -T "$BOOT_SECTORS" -h 255 -s 63 -H "$BOOT_START" -v BOOT -N 1b0c0da8 ::
  mcopy -i "$image" "$kernel" ::vmlinuz
  mcopy -i "$image" "$initrd" ::initrd.img
  mcopy -i "$image" "$work/syslinux.cfg" ::
  syslinux --offset "$((BOOT_START * SECTOR))" --install "$disk"
  find "$root/boot" -mindepth 1 -delete
  rm -f "$root"/vmlinuz* "$root"/initrd.img*
}

# Bytes of one entry of a partition table: flag, type, first sector, sectors.
entry() {
  local number
  printf '\\x%02x\\xfe\\xff\\xff\\x%02x\\xfe\\xff\\xff' "$1" "$2"
  for number in "$3" "$4"; do
    printf '\\x%02x\\x%02x\\x%02x\\x%02x' $((number & 255)) $((number >> 8 & 255)) $((number >> 16 & 255)) $((number >> 24 & 255))
  done
}

partition_table() {
  truncate -s $((ROOT_START * SECTOR + ROOT_MIB * 1024 * 1024)) "$disk"
  dd if=/usr/lib/syslinux/mbr/mbr.bin of="$disk" conv=notrunc status=none
  printf '%b' "$(entry 0x80 0x0c $BOOT_START $BOOT_SECTORS)$(entry 0 0x83 $ROOT_START $((ROOT_MIB * 2048)))" |
    dd of="$disk" bs=1 seek=446 conv=notrunc status=none
  printf '\x55\xaa' | dd of="$disk" bs=1 seek=510 conv=notrunc status=none
}

debian
configure
partition_table
boot_partition
mke2fs -q -t ext4 -L root -d "$root" -E offset=$((ROOT_START * SECTOR)) "$disk" ${ROOT_MIB}M
qemu-img convert -q -f raw -O qcow2 -c "$disk" "$cached.tmp"
mv "$cached.tmp" "$cached"
cp --reflink=auto "$cached" "$out"
echo "$out: $(du -h "$out" | cut -f1)"

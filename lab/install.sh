#!/usr/bin/env bash
# Installs what building, testing and the lab need on Debian 12, and nothing that is there already.
#   lab/install.sh build    what the workspace needs to compile
#   lab/install.sh lab      also what hosts, guests and the database need
#   lab/install.sh test     also what runs the tests
set -euo pipefail

readonly BUILD=(gcc g++ make pkg-config libvirt-dev)
readonly LAB=(postgresql-15 libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients qemu-system-x86 nftables
  dnsmasq-base iproute2 util-linux procps openssh-client mmdebstrap mtools syslinux syslinux-common busybox-static
  xz-utils e2fsprogs cpio curl jq)
readonly NEXTEST=0.9.143

case ${1:?build, lab or test} in
  build) wanted=("${BUILD[@]}") ;;
  lab | test) wanted=("${BUILD[@]}" "${LAB[@]}") ;;
  *) echo "install.sh: build, lab or test, not '$1'" >&2; exit 2 ;;
esac

missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [[ $1 = test ]]; then
  command -v node >/dev/null || missing+=(nodejs)
  command -v npm >/dev/null || missing+=(npm)
  python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
fi

# Installs these packages, or says why not.
install() {
  [[ $(id -u) = 0 ]] || { echo "install.sh: run me as root, or: apt-get install $*" >&2; exit 1; }
  echo "installing $*"
  local log
  # Only the programs are wanted: no cluster of PostgreSQL's, none of its services.
  if [[ ! -e /etc/postgresql-common/createcluster.conf ]]; then
    mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  fi
  log=$(mktemp)
  export DEBIAN_FRONTEND=noninteractive
  { apt-get -q update && apt-get -q install -y --no-install-recommends -o Dpkg::Options::=--force-confold "$@"; } >"$log" 2>&1 ||
    { tail -n 40 "$log" >&2; echo "install.sh: apt-get failed, its log is $log" >&2; exit 1; }
  rm -f "$log"
}

((${#missing[@]} == 0)) || install "${missing[@]}"
# Looked for last: a qemu-utils of another release goes when qemu-system-x86 comes.
command -v qemu-img >/dev/null || install qemu-utils

# libvirtd's QEMU driver does not start without the user it is built for, even where machines run as
# another; the package that makes him also brings services that are not wanted here.
if [[ $1 != build ]] && ! id libvirt-qemu >/dev/null 2>&1; then
  [[ $(id -u) = 0 ]] || { echo "install.sh: run me as root: there is no user libvirt-qemu" >&2; exit 1; }
  echo "making the user libvirt-qemu"
  useradd --system --user-group --no-create-home --home-dir /var/lib/libvirt --shell /usr/sbin/nologin libvirt-qemu
fi

if [[ $1 = test ]] && ! command -v cargo-nextest >/dev/null; then
  echo "installing cargo-nextest $NEXTEST"
  cargo install --quiet --locked cargo-nextest --version "$NEXTEST"
fi

# The OpenID provider that the API's tests log in with, and what reads the OpenAPI document, as their lock files pin them.
if [[ $1 = test ]]; then
  for place in api/tests/oidc openapi; do
    (
      cd "$(dirname "$(realpath "$0")")/../$place"
      installed=node_modules/.package-lock.json
      [[ -e $installed && ! package-lock.json -nt $installed ]] || npm ci --silent --no-audit --no-fund
    )
  done
fi

# What fuzzes the API, in an environment of its own.
if [[ $1 = test ]]; then
  (
    cd "$(dirname "$(realpath "$0")")/../api/tests/schemathesis"
    if [[ ! -e .venv/installed || requirements.txt -nt .venv/installed ]]; then
      python3 -m venv --clear .venv
      .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement requirements.txt
      touch .venv/installed
    fi
  )
fi

# What generates a client in Python.
if [[ $1 = test ]]; then
  (
    cd "$(dirname "$(realpath "$0")")/.."
    venv=target/openapi-clients/venv
    if [[ ! -e $venv/installed || openapi/requirements.txt -nt $venv/installed ]]; then
      python3 -m venv --clear "$venv"
      "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement openapi/requirements.txt
      touch "$venv/installed"
    fi
  )
fi

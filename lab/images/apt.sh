# shellcheck shell=bash
# What the image scripts ask of apt. Packages come from wherever this machine's apt gets its own.

readonly SUITE=bookworm

# This machine's own sources, whatever their format.
sources() {
  local file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    [[ -s $file ]] && grep -qw "$SUITE" "$file" && echo "$file"
  done
  return 0
}

# mmdebstrap into a directory: bootstrap WORK DIRECTORY OPTION...
bootstrap() {
  local work=$1 to=$2 files
  shift 2
  mapfile -t files < <(sources)
  ((${#files[@]})) || { echo "this machine's apt knows no $SUITE" >&2; exit 1; }
  apt-config dump | grep -E '^Acquire::(http|https|Retries)' >"$work/apt.conf" || true
  TMPDIR=$work mmdebstrap --quiet --aptopt="$work/apt.conf" "$@" "$SUITE" "$to" "${files[@]}"
}

#!/bin/sh
# Installs the packages that prunescope needs to be built, tested and run. This works on Debian and
# Ubuntu; on other systems the script only names the packages.
set -eu
packages="gcc make pkg-config liburing-dev libblis-dev libxxhash-dev libjansson-dev"
packages="$packages libyajl-dev libpcre2-dev libyaml-dev libzip-dev libcmocka-dev"
packages="$packages gnuplot-nox"

missing=""
if command -v dpkg-query >/dev/null 2>&1; then
	for p in $packages; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' ||
			missing="$missing $p"
	done
else
	echo "Not a Debian or Ubuntu system: please install the equivalents of: $packages" >&2
	exit 0
fi
[ -n "$missing" ] || exit 0

echo "installing:$missing"
as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of words
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null

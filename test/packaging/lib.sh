# What the scripts of this folder share. Sourced from the repository's root.
# $scratch is set: a scratch folder of the script's own.
# shellcheck shell=sh
# shellcheck disable=SC2154 # set by the script

# copy_sources FOLDER: what git follows, as it lies in the work tree; without git, all but what is
# built. The folder must not be there.
copy_sources() {
	mkdir -p "$1"
	if [ -e .git ]; then
		git ls-files -z | tar -c --null -T - | tar -x -C "$1"
	else
		tar -c --exclude=./build --exclude=./prunescope --exclude=./tools/shardinfo . |
			tar -x -C "$1"
	fi
}

# the_package FOLDER: the .deb of prunescope that dpkg-buildpackage left there.
the_package() {
	find "$1" -maxdepth 1 -name 'prunescope_*.deb'
}

# lacks PROGRAM...: prints those that are not installed; fails if all are.
lacks() {
	missing=
	for tool in "$@"; do
		command -v "$tool" >/dev/null || missing="$missing $tool"
	done
	[ -n "$missing" ] && echo "not installed:$missing"
}

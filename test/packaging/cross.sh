#!/bin/sh
# usage: test/packaging/cross.sh arm64|x86-64-v2
# Runs the numeric, format and command tests for another processor, under qemu-user:
# - arm64: everything is compiled with Debian's cross compiler, against arm64 libraries that apt
#   downloads into build/cross/arm64/sysroot. The machine's own packages stay as they are.
# - x86-64-v2: the ordinary build, on a processor without AVX.
# What is left out, and why, stands with the lists below. Hours on two cores. Exit 77: a tool is
# missing (Debian: qemu-user-static, gcc-aarch64-linux-gnu).
set -eu
cd "$(dirname "$0")/../.."
target=$1
cross=build/cross/$target
runners=$cross/run
. test/packaging/lib.sh

# --- the tests ---

numeric="core/base/test_* core/model/test_* prune/test_* sae/test_* analysis/test_*"
formats="core/tokenizer/test_* io/test_* tools/train/test_* tools/test_shardinfo
	analysis/report/test_*"
commands="tools/args/test_* tools/cmd/test_* tools/engine/test_* tools/study/test_*"
scripts="tools/test_cli.sh tools/test_belonging.sh tools/test_checkpoints.sh
	tools/test_controls.sh tools/test_convert.sh tools/test_dictionaries.sh
	tools/test_help.sh tools/test_not_finite.sh tools/test_saelens.sh tools/test_strict.sh
	tools/test_study_results.sh tools/test_sweeps.sh"

# These cannot run under qemu-user, or would tell nothing:
# - io/test_ring_linux: qemu has no io_uring. The other tests read with pread then.
# - sae/test_screen: it compares the kernels of one processor, of which these have one; it is slow.
# - io/test_sys: the mincore of qemu fails with another error than the kernel's.
# - tools/train/test_gnuplot: the vfork of qemu is a fork. So posix_spawn cannot tell a gnuplot that
#   may not be run from one that is not there.
# - tools/study/test_claim: qemu tells a forked process the start time of its parent, the kernel
#   tells others the true one. So each takes the others for dead.
left_out="test/io/test_ring_linux test/io/test_sys test/sae/test_screen"
left_out="$left_out test/tools/train/test_gnuplot test/tools/study/test_claim"
left_out="$left_out test/tools/study/test_rates"
# - test/fault, test_flips.sh, test_doctor.sh: they need seccomp, or a library that is loaded before
#   the program.
# - test/tools/run, test/bench, tools/study/test_rates: they measure time.
# - scripts that stop commands on the way, after so much time or work: test_train_kill.sh,
#   test_train_many.sh, test_study.sh, test_study_verify.sh, test_outputs.sh.
# - what does not run the program or the library: test_install.sh, test_results_keys.sh,
#   test/support, test/fuzz (its seeds are tried by the fuzzers themselves).

# --- the two processors ---

# Installs arm64 libraries into a folder, with package lists and a package database of its own.
make_sysroot() {
	apt=$PWD/$cross/apt
	rm -rf "$sysroot" "$apt"
	mkdir -p "$sysroot" "$apt/state/lists/partial" "$apt/cache/archives/partial"
	: >"$apt/status"
	echo "downloading arm64 libraries" >&2
	set -- -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Debug::NoLocking=1 \
		-o Dir::State="$apt/state" -o Dir::State::status="$apt/status" \
		-o Dir::Cache="$apt/cache"
	apt-get "$@" update
	# shellcheck disable=SC2046 # words: the libraries of tools/deps.sh
	apt-get "$@" install -y --no-install-recommends --download-only libc6-dev libgcc-s1 \
		$(grep -o 'lib[a-z0-9]*-dev' tools/deps.sh) >/dev/null
	for package in "$apt"/cache/archives/*.deb; do
		dpkg-deb -x "$package" "$sysroot"
	done
	touch "$sysroot/complete"
}

build_arm64() {
	lacks aarch64-linux-gnu-gcc qemu-aarch64-static apt-get dpkg-deb && exit 77
	sysroot=$PWD/$cross/sysroot
	libraries=/usr/lib/aarch64-linux-gnu
	[ -e "$sysroot/complete" ] || make_sysroot
	export PKG_CONFIG_LIBDIR="$sysroot$libraries/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$sysroot"
	make -s "-j$(nproc)" all tests BUILD="$cross" PROGRAM="$cross/prunescope" \
		SHARDINFO="$cross/shardinfo" CC=aarch64-linux-gnu-gcc AR=aarch64-linux-gnu-ar \
		EXTRA_CFLAGS="--sysroot=$sysroot" \
		CPPFLAGS="-isystem $sysroot/usr/include/aarch64-linux-gnu/blis-openmp" \
		LDFLAGS="-L$sysroot$libraries/blis-openmp"
	built=$cross
	qemu="QEMU_LD_PREFIX='$sysroot' QEMU_SET_ENV=LD_LIBRARY_PATH=$libraries/blis-openmp \
exec qemu-aarch64-static"
}

build_x86_64_v2() {
	lacks qemu-x86_64-static && exit 77
	make -s "-j$(nproc)" all tests
	mkdir -p "$cross"
	cp prunescope tools/shardinfo "$cross"
	built=build
	qemu="exec qemu-x86_64-static -cpu Nehalem"
}

# --- running ---

# runner PROGRAM RUNNER: a script that runs the program on the other processor.
runner() {
	mkdir -p "$(dirname "$2")"
	printf '#!/bin/sh\n%s "%s" "$@"\n' "$qemu" "$PWD/$1" >"$2"
	chmod +x "$2"
}

case $target in
arm64) build_arm64 ;;
x86-64-v2) build_x86_64_v2 ;;
*)
	echo "usage: test/packaging/cross.sh arm64|x86-64-v2" >&2
	exit 2
	;;
esac
rm -rf "$runners"
runner "$cross/prunescope" "$runners/prunescope"
runner "$cross/shardinfo" "$runners/shardinfo"
list=
for name in $numeric $formats $commands; do
	for source in test/$name.c; do
		test=${source%.c}
		case " $left_out " in *" $test "*) continue ;; esac
		runner "$built/$test" "$runners/$test"
		list="$list $runners/$test"
	done
done
for script in $scripts; do
	list="$list test/$script"
done
"$runners/prunescope" --version
# The limits of time are those of a slow processor, on which a busy machine takes several times as
# long.
# shellcheck disable=SC2086 # a list of words
PRUNESCOPE=$runners/prunescope SHARDINFO=$runners/shardinfo RUN_TIMEOUT=3600 \
	TEST_TIMEOUT=${TEST_TIMEOUT:-10000} exec sh test/run.sh $list

#!/bin/sh
# doctor: what it finds where something is missing: io_uring, memory that may be locked, gnuplot, a
# folder that can be written to. PRUNESCOPE and SHARDINFO name other binaries, FAULT_TOOLS the
# folder of confine. Seconds.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/support/program.sh
confine=$PWD/${FAULT_TOOLS:-build/test/fault}/confine
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT

# state CHECK: ok, slower or missing, in the last result.
state() {
	tr '{' '\n' <"$scratch/out" |
		sed -n "s/.*\"name\": \"$1\", \"state\": \"\([a-z]*\)\".*/\1/p"
}

# doctor NAME STATUS OK COMMAND...: the exit status, and "ok" in the result, which agree.
doctor() {
	name=$1 status=$2 ok=$3
	shift 3
	"$@" >"$scratch/out" 2>"$scratch/err"
	code=$?
	holds "$name: exit $code" test $code -eq "$status"
	holds "$name: ok is $ok" grep -q "\"ok\": ${ok}[,}]" "$scratch/out"
}

# is CHECK STATE
is() {
	holds "$1 is $2" test "$(state "$1")" = "$2"
}

mkdir "$scratch/bin"
# gnuplot COMMAND: what stands for it runs the command on its script, then tells its version.
gnuplot() {
	printf '#!/bin/sh\n%s\necho 7.5\n' "$1" >"$scratch/bin/gnuplot"
	chmod +x "$scratch/bin/gnuplot"
}
gnuplot 'cat >/dev/null'
export PATH="$scratch/bin:$PATH"
free=$(df -Pk "$scratch" | awk 'NR == 2 { print $4 }')
[ "$free" -gt 1100000 ] || {
	echo "less than 1 GiB is free: doctor would say so of every folder"
	exit 77
}

doctor "a folder" 0 true "$program" doctor --json "$scratch"
for check in processor "kernel, f32" memory "open files" folder "free space" gnuplot; do
	is "$check" ok
done
holds "gnuplot's version is told" grep -q '"found": "7.5", "name": "gnuplot"' "$scratch/out"
holds "rates are numbers" grep -q '"read_bytes_per_s": [0-9].*"write_bytes_per_s": [0-9]' \
	"$scratch/out"
holds "nothing is left behind" test "$(find "$scratch" -mindepth 1 | wc -l)" -eq 5

# For a person, with the reference kernel and without a home.
(unset HOME XDG_CACHE_HOME && PRUNESCOPE_MATMUL=ref exec "$program" doctor "$scratch") \
	>"$scratch/out" 2>"$scratch/err"
holds "what is slower is no failure" test $? -eq 0
holds "the kernel is slower" grep -q '^slower  *kernel, f32  *ref, f32' "$scratch/out"
holds "digests are not remembered" grep -q '^slower  *remembered digests' "$scratch/out"
holds "a line counts them" grep -q '^0 missing, [4-9] slower' "$scratch/out"

doctor "no gnuplot" 1 false env PATH=/nowhere "$program" doctor --json "$scratch"
is gnuplot missing
holds "and is named" grep -q 'not as commands need it: gnuplot$' "$scratch/err"

# A folder that cannot be written to, for root neither: in /proc no file can be made.
cd /proc || exit 1
doctor "started where nothing can be written" 0 true "$program" doctor --json
holds "writing is not timed" grep -q '"write_bytes_per_s": null' "$scratch/out"
doctor "asked of such a folder" 1 false "$program" doctor --json /proc
is folder missing
holds "the rest is told" test "$(state "kernel, f32")" = ok
cd - >/dev/null || exit 1
cp demo/models/llama/model.safetensors "$scratch/file"
(cd /proc && "$shardinfo" --verify "$scratch/file") >"$scratch/out" 2>"$scratch/err"
holds "shardinfo works there too" test $? -eq 0

# A disk that fails is no folder that somebody forbids.
doctor "a file cannot become so large" 1 false "$confine" --fsize 2000 -- "$program" doctor --json
is folder missing
holds "which is no matter of the folder" grep -q 'raise ulimit -f' "$scratch/out"

# Name spaces of one's own: other mounts, which end with the command.
if unshare -rm mount -t tmpfs none /proc 2>/dev/null; then
	mkdir "$scratch/small"
	# within MOUNT-OPTIONS FOLDER: a file system in place of the folder
	within() {
		mount=$1
		shift
		# shellcheck disable=SC2016 # for the shell within
		unshare -rm sh -c 'mount -t tmpfs $0 && exec "$@"' "$mount" "$@"
	}
	doctor "no /proc" 0 true within "none /proc" "$program" doctor --json "$scratch"
	is proc slower
	holds "the disk is measured nevertheless" grep -q \
		'"read_bytes_per_s": [0-9].*"write_bytes_per_s": [0-9]' "$scratch/out"
	holds "nothing is left there either" test -z "$(find "$scratch" -name '.prunescope*')"
	doctor "no /proc, nothing can be written" 0 true unshare -rm sh -c \
		'mount -t tmpfs none /proc && cd /sys && exec "$@"' x "$program" doctor --json
	doctor "a small disk" 1 false within "-o size=1m none $scratch/small" "$program" doctor \
		--json "$scratch/small"
	is folder missing
	is "free space" missing
fi

# A gnuplot that draws no SVG draws no figure.
gnuplot 'if grep "terminal svg" >/dev/null; then exit 1; fi'
doctor "a gnuplot without SVG" 1 false "$program" doctor --json "$scratch"
is gnuplot missing
gnuplot 'cat >/dev/null'

# Slurm and containers allow a process some of the processors.
if taskset -c 0 true 2>/dev/null; then
	taskset -c 0 "$program" doctor --json "$scratch" >"$scratch/out" 2>"$scratch/err"
	holds "one processor, one thread" grep -q '"threads": 1[,}]' "$scratch/out"
	holds "as it says" grep -q ' 1 \(of [0-9]* \)\{0,1\}processors' "$scratch/out"
fi

"$program" doctor "$scratch/file" >"$scratch/out" 2>"$scratch/err"
holds "a file is no folder" sh -c "test $? -eq 3 && grep -q 'is no folder' '$scratch/err'"

if "$confine" --no-uring 1 -- true 2>/dev/null; then
	doctor "io_uring refused" 0 true "$confine" --no-uring 1 -- "$program" doctor --json \
		"$scratch"
	is io_uring slower
	holds "with the reason" grep -q 'refused: Operation not permitted' "$scratch/out"
fi
conclude test_doctor.sh

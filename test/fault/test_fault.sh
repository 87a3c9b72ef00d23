#!/bin/sh
# Quick forms of the faults that the program must survive: samples of what the other scripts of this
# folder try in full (make check-fault), in less than a minute.
# PRUNESCOPE, SHARDINFO and FAULT_TOOLS name other binaries.
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/fault/lib.sh
. test/fault/lib.sh
stages=
plain_figures
make_artefacts

# says PATTERN: the last command's stderr has one line that matches.
says() {
	grep -c -- "$1" "$scratch/err" | grep -qx 1
}

# attempt STATUS COMMAND...: the command's exit status must be this one.
attempt() {
	wanted=$1
	shift
	"$@" >"$scratch/out" 2>"$scratch/err"
	status=$?
	[ $status -eq "$wanted" ] || {
		echo "    exit $status, not $wanted, of: $*"
		sed 's/^/    /' "$scratch/err"
		return 1
	}
}

sampled() {
	for case in tokenize ppl wanda export cache topk splice compare study report shardinfo; do
		expects "an allocation fails: $case" sweep "$case" --calls alloc --action fail \
			--allow 5 --runs 6
	done
	for case in tokenize wanda export cache topk study report; do
		expects "a call fails: $case" sweep "$case" --action fail --error 5 --allow 4 \
			--calls write,sync,rename,unlink,create,mkdir --runs 5
		expects "the disk is full: $case" sweep "$case" --action short --error 28 \
			--allow 4 --calls write,sync,rename,create,mkdir --runs 4
		expects "killed: $case" sweep "$case" --action kill --runs 6 \
			--calls write,sync,rename,unlink,create,mkdir,truncate
	done
	for case in topk export study; do
		expects "a file cannot be read: $case" sweep "$case" --action fail --error 5 \
			--allow 3 --calls read --runs 4
	done
	expects "no file can be opened: report" sweep report --action fail --error 24 \
		--allow 3,4 --calls create,open --runs 9
	for IO in mmap pread uring; do
		expects "an input is shortened, --io $IO" sweep topk --action cut --cut 1000 \
			--victim "$d/dense/shard-00000.safetensors" \
			--restore "$d/dense/shard-00000.safetensors" --no-rerun --allow 3 \
			--calls open,read,lock,stat,write,sync,alloc --runs 6
	done
}

# A sandbox that forbids io_uring: every command goes on with pread and says so, once.
without_uring() {
	for error in 1 38; do
		for case in ppl logits cache wanda topk splice ablate study; do
			rm -rf "$work" && mkdir "$work"
			choose $case
			# shellcheck disable=SC2086 # a list of arguments without blanks
			attempt 0 "$tools/confine" --no-uring $error -- "$program" $command &&
				says 'files are read with pread (io_uring: ' && continue
			failed "io_uring refused with errno $error: $case"
			return
		done
		passed "io_uring refused with errno $error: all commands use pread and say so"
	done
}

# No memory may be locked: the ring does without registered buffers.
without_locked_memory() {
	for case in logits topk; do
		rm -rf "$work" && mkdir "$work"
		choose $case
		# shellcheck disable=SC2086 # a list of arguments without blanks
		expects "no locked memory, --io uring: $case" attempt 0 "$tools/confine" \
			--memlock 0 -- "$program" $command --io uring
	done
}

# within BYTES: the resident set stayed within them.
within() {
	[ $(($(cat "$scratch/peak") * 1024)) -le "$1" ]
}

# Each command names the least budget that is enough, keeps within it, and makes the same of it.
least_budgets() {
	for case in tokenize ppl logits calibrate magnitude wanda export cache topk gated \
		eval splice compare transfer features ablate seeds survival study report; do
		rm -rf "$work" && mkdir "$work"
		if [ $case = report ]; then
			make_study
			cp -r "$d/study/." "$work"
		fi
		choose $case
		# shellcheck disable=SC2086 # a list of arguments without blanks
		attempt 5 "$program" $command --memory 1 || {
			failed "--memory 1: $case"
			continue
		}
		least=$(sed -n 's/.*least that would do is [^(]*(\([0-9]*\) bytes.*/\1/p' \
			"$scratch/err")
		# shellcheck disable=SC2086
		if [ -n "$least" ] && attempt 0 "$tools/confine" --peak "$scratch/peak" -- \
			"$program" $command --memory "$least" && within "$least"; then
			passed "the budget that it names is enough: $case"
		else
			failed "the budget that it names ($least) is enough: $case"
			echo "    used $(cat "$scratch/peak") KiB"
		fi
	done
}

# A file may not grow beyond a limit: a short write, then EFBIG.
limited_files() {
	for case in tokenize wanda cache topk export study; do
		rm -rf "$work" && mkdir "$work"
		choose $case
		# shellcheck disable=SC2086 # a list of arguments without blanks
		attempt 4 "$tools/confine" --fsize 2000 -- "$program" $command || {
			failed "RLIMIT_FSIZE: $case"
			continue
		}
		# shellcheck disable=SC2086
		expects "RLIMIT_FSIZE, then none: $case" attempt 0 "$program" $command
	done
}

# A disk without room, which takes a mount.
full_disk() {
	rm -rf "$work" && mkdir "$work"
	if ! mount -t tmpfs -o size=64k tmpfs "$work" 2>/dev/null; then
		echo "[  SKIPPED ] a full disk: no tmpfs can be mounted"
		return
	fi
	trap 'umount "$work"; rm -rf "$scratch"' EXIT
	for case in cache topk export study; do
		choose $case
		# shellcheck disable=SC2086 # a list of arguments without blanks
		attempt 4 "$program" $command || {
			failed "a full disk: $case"
			continue
		}
		mount -o remount,size=64m "$work"
		# shellcheck disable=SC2086
		expects "a full disk, then room: $case" attempt 0 "$program" $command
		find "$work" -mindepth 1 -delete
		mount -o remount,size=64k "$work"
	done
	umount "$work"
	trap 'rm -rf "$scratch"' EXIT
}

# A memory cgroup (version 1, as root): the plan fits into it.
capped_memory() {
	group=/sys/fs/cgroup/memory/prunescope-fault-$$
	if ! mkdir "$group" 2>/dev/null ||
		! echo 64M >"$group/memory.limit_in_bytes" 2>/dev/null; then
		rmdir "$group" 2>/dev/null
		echo "[  SKIPPED ] a memory cgroup: none can be made"
		return
	fi
	for case in logits topk study; do
		rm -rf "$work" && mkdir "$work"
		choose $case
		# shellcheck disable=SC2016,SC2086 # expanded by the inner shell; a list
		expects "64 MiB of memory: $case" attempt 0 sh -c \
			'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" "$program" $command
	done
	rmdir "$group"
}

# Nobody reads what is printed.
full_output() {
	for arguments in --help --version "ppl --help" "$(choose eval && echo "$command")"; do
		# shellcheck disable=SC2086 # a list of arguments without blanks
		"$program" $arguments >/dev/full 2>"$scratch/err"
		status=$?
		[ $status -eq 4 ] || failed "exit $status of: $arguments >/dev/full"
	done
	passed "output that goes nowhere is exit 4"
}

full_output
without_uring
without_locked_memory
least_budgets
limited_files
full_disk
capped_memory
sampled
conclude test_fault.sh

# A Slurm of one node: munged, slurmctld and slurmd on this machine, as root, with their files in
# $scratch/slurm. No cgroups and no accounting, so that it runs in a container or a small VM.
# Sourced by check.sh.
# shellcheck shell=sh
# shellcheck disable=SC2154 # set by check.sh
daemons=

# free_port: a TCP port that nobody listens on. /proc/net/tcp has them in hexadecimal.
free_port() {
	port=$((20000 + $$ % 20000 + ${1:-0}))
	while grep -qi ":$(printf %04x "$port") 00000000:0000 0A" /proc/net/tcp /proc/net/tcp6; do
		port=$((port + 7))
	done
	echo $port
}

write_slurm_conf() {
	host=$(hostname -s)
	cat >slurm/slurm.conf <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port 1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$scratch/slurm/munge.socket
CredType=cred/munge
StateSaveLocation=$scratch/slurm/state
SlurmdSpoolDir=$scratch/slurm/spool
SlurmctldPidFile=$scratch/slurm/slurmctld.pid
SlurmdPidFile=$scratch/slurm/slurmd.pid
SlurmctldLogFile=$scratch/slurm/slurmctld.log
SlurmdLogFile=$scratch/slurm/slurmd.log
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1
KillWait=5
MinJobAge=600
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=1000 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
}

# start_slurm: true once the node is idle.
start_slurm() {
	mkdir -p slurm/state slurm/spool slurm/logs
	SLURM_CONF=$scratch/slurm/slurm.conf
	export SLURM_CONF
	write_slurm_conf
	dd if=/dev/urandom of=slurm/key bs=128 count=1 2>/dev/null
	chmod 400 slurm/key
	munged --force --foreground --socket="$scratch/slurm/munge.socket" --num-threads=2 \
		--key-file="$scratch/slurm/key" --log-file="$scratch/slurm/munge.log" \
		--pid-file="$scratch/slurm/munge.pid" --seed-file="$scratch/slurm/munge.seed" \
		>slurm/munged.out 2>&1 &
	daemons=$!
	slurmctld -D >slurm/slurmctld.out 2>&1 &
	daemons="$! $daemons"
	slurmd -D >slurm/slurmd.out 2>&1 &
	daemons="$! $daemons"
	for _ in $(seq 60); do
		sleep 0.5
		sinfo -h -o %t 2>/dev/null | grep -q '^idle$' && return 0
	done
	return 1
}

# Jobs first: slurmd leaves those that run when it ends.
stop_slurm() {
	[ -n "$daemons" ] || return 0
	empty_queue
	# shellcheck disable=SC2086 # numbers of processes
	kill $daemons 2>/dev/null
	for daemon in $daemons; do wait "$daemon" 2>/dev/null; done
	daemons=
}

empty_queue() {
	scancel -u root 2>/dev/null
	for _ in $(seq 60); do
		[ -n "$(squeue -h 2>/dev/null)" ] || return 0
		sleep 0.25
	done
	return 1
}

# submit: the emitted script; the last job's number goes to $last.
submit() {
	last=$(bash slurm.emitted --output=slurm/logs/%A_%a.txt 2>slurm/submit.err)
}

# tell_failures: the tasks that did not complete, and what the steps said that did not end well.
tell_failures() {
	scontrol --oneliner show job | grep -v JobState=COMPLETED |
		grep -oE '(JobId|ArrayTaskId|JobState|Reason|ExitCode)=[^ ]*' | paste -sd ' ' |
		sed 's/ JobId=/\n&/g'
	# A step that ends well prints its key last.
	grep -L '^key ' slurm/logs/* | while read -r log; do
		echo "==> $log"
		tail -n 4 "$log"
	done
	grep -E 'error|fail' slurm/slurmctld.log slurm/slurmd.log | tail -n 8
}

# finishes: waits until the queue is empty; true if the last job completed.
finishes() {
	for _ in $(seq 1200); do
		[ -n "$(squeue -h 2>/dev/null)" ] || break
		sleep 0.25
	done
	scontrol show job "$last" | grep -q JobState=COMPLETED || {
		tell_failures
		return 1
	}
}

# cancel FOLDER RECORDS: all jobs, once the folder has so many records.
cancel() {
	while [ -n "$(squeue -h)" ] && [ "$(records "$1")" -lt "$2" ]; do sleep 0.05; done
	empty_queue
	[ "$(records "$1")" -ge "$2" ] && [ ! -e "$1/results.json" ]
}

cancelled_itself() {
	for _ in $(seq 240); do
		[ -n "$(squeue -h 2>/dev/null)" ] || break
		sleep 0.25
	done
	scontrol show job "$last" | grep -q JobState=CANCELLED
}

#!/bin/sh
# usage: bench/in_group.sh GROUP COMMAND...
# Runs the command in a cgroup, which bench/lib.sh makes.
echo $$ >"$1/cgroup.procs" || exit 1
shift
exec "$@"

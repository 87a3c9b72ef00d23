#!/bin/sh
# bench/in_group.sh GROUP COMMAND...: the command in a cgroup (bench/lib.sh makes it).
echo $$ >"$1/cgroup.procs" || exit 1
shift
exec "$@"

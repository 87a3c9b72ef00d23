#!/bin/sh
# Writes the man pages and the completion scripts of both programs.
# usage: tools/pages.sh PROGRAM SHARDINFO DIR
# DIR gets man/*.1, man/*.5 and completion/PROGRAM.bash, _PROGRAM, PROGRAM.fish. The programs write
# them themselves, from the tables by which they read their command lines.
set -eu
case $1 in */*) program=$1 ;; *) program=./$1 ;; esac
case $2 in */*) shardinfo=$2 ;; *) shardinfo=./$2 ;; esac
mkdir -p "$3/man" "$3/completion"

# write FILE COMMAND...: the command's output becomes the file once it is whole.
write() {
	file=$1
	shift
	"$@" >"$file.new"
	mv "$file.new" "$file"
}

for page in $("$program" help --pages); do
	write "$3/man/$page" "$program" help --page "$page"
done
write "$3/man/shardinfo.1" "$shardinfo" --man
# The file of a completion script has the name that its shell looks for.
for shell in bash zsh fish; do
	before="" after=.$shell
	[ $shell != zsh ] || before=_ after=""
	write "$3/completion/${before}prunescope$after" "$program" help --completion $shell
	write "$3/completion/${before}shardinfo$after" "$shardinfo" --completion $shell
done

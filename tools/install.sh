#!/bin/sh
# Installs prunescope below $DESTDIR$PREFIX (/usr/local), or removes what it installed.
# usage: tools/install.sh install|uninstall PROGRAM SHARDINFO PAGES
# PROGRAM and SHARDINFO are the built programs. PAGES is the folder with the built man pages
# (man/*.1, man/*.5) and completions (completion/PROGRAM.bash, _PROGRAM, PROGRAM.fish); it may lack
# them. `make install` and `make uninstall` call this. Run it from the repository's root.
# Both go through one list, so uninstall removes what install puts; pages it knows by their names.
# Then it removes the folders of its own that are empty. Folders that programs share are left.
set -eu
action=$1 program=$2 shardinfo=$3 pages=$4
root=${DESTDIR:-}${PREFIX:-/usr/local}
doc=share/doc/prunescope data=share/prunescope
bash_completion=share/bash-completion/completions
zsh_completion=share/zsh/site-functions
fish_completion=share/fish/vendor_completions.d
tab=$(printf '\t')

# entry MODE SOURCE TARGET: a line of the list. TARGET is below the root.
entry() {
	printf '%s\t%s\t%s\n' "$1" "$2" "$3"
}

list() {
	entry 755 "$program" bin/prunescope
	entry 755 "$shardinfo" bin/shardinfo
	for file in LICENSE *.md docs/*.md docs/*.png docs/*.svg python/*.md; do
		entry 644 "$file" "$doc/$file"
	done
	for file in studies/*.* demo/*.* demo/models/*.* demo/models/*/*.*; do
		mode=644
		test ! -x "$file" || mode=755
		entry $mode "$file" "$data/$file"
	done
	# So that the links of README.md work.
	entry link ../../prunescope/studies $doc/studies
	entry link ../../prunescope/demo $doc/demo
}

# entry_of_built SOURCE TARGET
entry_of_built() {
	test ! -f "$1" || entry 644 "$1" "$2"
}

built_pages() {
	for file in "$pages"/man/*.[15]; do
		entry_of_built "$file" "share/man/man${file##*.}/${file##*/}"
	done
	for name in prunescope shardinfo; do
		entry_of_built "$pages/completion/$name.bash" $bash_completion/$name
		entry_of_built "$pages/completion/_$name" $zsh_completion/_$name
		entry_of_built "$pages/completion/$name.fish" $fish_completion/$name.fish
	done
}

put() {
	while IFS=$tab read -r mode source target; do
		install -d "$root/${target%/*}"
		if [ "$mode" = link ]; then
			ln -sfn "$source" "$root/$target"
		else
			install -m "$mode" "$source" "$root/$target"
		fi
	done
}

# Own folders that hold a file of the list, and those above them that are own, the deepest first.
own_folders() {
	list | while IFS=$tab read -r _ _ target; do
		folder=${target%/*}
		while :; do
			case $folder in
			share/doc/prunescope* | share/prunescope*) echo "$folder" ;;
			*) break ;;
			esac
			folder=${folder%/*}
		done
	done | sort -ru
}

remove() {
	list | while IFS=$tab read -r _ _ target; do
		rm -f "$root/$target"
	done
	rm -f "$root"/share/man/man[15]/prunescope.[15] \
		"$root"/share/man/man[15]/prunescope-*.[15] "$root"/share/man/man1/shardinfo.1
	for name in prunescope shardinfo; do
		rm -f "$root/$bash_completion/$name" "$root/$zsh_completion/_$name" \
			"$root/$fish_completion/$name.fish"
	done
	own_folders | while read -r folder; do
		test ! -d "$root/$folder" || rmdir --ignore-fail-on-non-empty "$root/$folder"
	done
}

case $action in
install)
	test -x "$program"
	test -x "$shardinfo"
	{ list && built_pages; } | put
	;;
uninstall) remove ;;
*)
	echo "usage: tools/install.sh install|uninstall PROGRAM SHARDINFO PAGES" >&2
	exit 2
	;;
esac

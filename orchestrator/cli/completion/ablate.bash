# Completion of ablate for bash.

_ablate() {
	# bash splits words at = and :, which are parts of ours.
	local -a typed=()
	local i word joined=
	for ((i = 1; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]//\\/}
		if [[ $joined || $word == [=:]* ]] && ((${#typed[@]} > 0)) && [[ ${typed[-1]} != *[[:space:]] ]]; then
			typed[-1]+=$word
		else
			typed+=("$word")
		fi
		joined=
		[[ $word == *[=:] ]] && joined=yes
	done

	# What stands before the part that bash is about to replace.
	local last=${typed[-1]} before=
	[[ $last == *[=:]* ]] && before=${last%"${last##*[=:]}"}

	COMPREPLY=()
	local line
	while IFS= read -r line; do
		word=${line%%$'\t'*}
		word=${word#"$before"}
		case $word in
		'~/'*) word="~/$(printf %q "${word#'~/'}")" ;;
		*) word=$(printf %q "$word") ;;
		esac
		COMPREPLY+=("$word")
	done < <("${COMP_WORDS[0]/#\~/$HOME}" complete -- "${typed[@]}" 2>/dev/null)

	# A key or a folder is not the end of a word.
	if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=/] ]]; then
		compopt -o nospace 2>/dev/null
	fi
}
complete -F _ablate ablate

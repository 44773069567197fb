#compdef ablate
# Completion of ablate for zsh.

_ablate() {
	local line word text
	local -a done done_says open open_says
	for line in "${(@f)$("${(Q)words[1]/#\~/$HOME}" complete -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
		[[ -n $line ]] || continue
		word=${line%%$'\t'*} text=${line#*$'\t'}
		[[ -n $text ]] && text="$word  -- $text" || text=$word
		# Quoted by us, since a ~ at the beginning is to stay what it is.
		if [[ $word == '~/'* ]]; then word="~/${(q)${word#\~/}}"; else word=${(q)word}; fi
		# A key or a folder is not the end of a word.
		if [[ $word == *[=/] ]]; then
			open+=("$word") open_says+=("$text")
		else
			done+=("$word") done_says+=("$text")
		fi
	done
	(($#done)) && compadd -Q -l -d done_says -a done
	(($#open)) && compadd -Q -S '' -l -d open_says -a open
	(($#done + $#open))
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
	_ablate "$@"
else
	compdef _ablate ablate
fi

# Completion of ablate for fish.

function __ablate_complete
    set -l typed (commandline --cut-at-cursor --tokenize --current-process)
    set -l last (commandline --cut-at-cursor --current-token)
    set -l program (string replace -r '^~' $HOME -- $typed[1])
    $program complete -- $typed[2..] "$last" 2>/dev/null
end

complete --command ablate --no-files --keep-order --arguments '(__ablate_complete)'

# Run recipes by ./justw RECIPE: it fetches what they need.

set positional-arguments

# The kernels' build tag: onednn where the header of oneDNN 2 is found on x86-64, else none.
tags := `printf '#include <oneapi/dnnl/dnnl.h>\n#if DNNL_VERSION_MAJOR != 2 || !defined __x86_64__\n#error\n#endif\n' | cc -E -x c - >/dev/null 2>&1 && echo onednn || true`
staticcheck := "honnef.co/go/tools/cmd/staticcheck@v0.8.2"

[private]
default:
    @{{ quote(just_executable()) }} --list --unsorted

# build bin/ablate
build:
    go build -tags '{{ tags }}' -trimpath -o bin/ablate .

# install the program, its manual page and the shells' completions below PREFIX
install prefix='/usr/local': build
    #!/usr/bin/env bash
    set -euo pipefail
    install -D bin/ablate "$1/bin/ablate"
    bin/ablate man | install -Dm644 /dev/stdin "$1/share/man/man1/ablate.1"
    bin/ablate completion bash | install -Dm644 /dev/stdin "$1/share/bash-completion/completions/ablate"
    bin/ablate completion zsh | install -Dm644 /dev/stdin "$1/share/zsh/site-functions/_ablate"
    bin/ablate completion fish | install -Dm644 /dev/stdin "$1/share/fish/vendor_completions.d/ablate.fish"

# train the study "quick" on Fashion-MNIST and report what came out (minutes)
demo: build
    bin/ablate run quick --out "${ABLATE_STORE:-.ablate}/report"

# vet, test and build with and without oneDNN; ARGS go to go test
test *ARGS:
    #!/usr/bin/env bash
    set -euo pipefail
    echo "kernels: {{ if tags == '' { 'portable (no oneDNN)' } else { 'oneDNN and portable' } }}"
    go vet -tags '{{ tags }}' ./...
    # Shows a line a package, all that failed tests say, and at the end the
    # skipped tests with their reasons.
    go test -v -tags '{{ tags }}' "$@" ./... | awk '
        /^=== (RUN|CONT|NAME)/ { test = $3; next }
        /^=== /                { next }
        /^ *--- SKIP/          { sub(/^ */, "", last[$3]); skipped = skipped "  " $3 " " last[$3] "\n" }
        /^--- (PASS|SKIP)/     { held = ""; next }
        /^ *--- (PASS|SKIP)/   { next }
        /^PASS$/               { next }
        /^(ok|\?) /            { print; held = ""; next }
        /^(--- FAIL|FAIL)/     { printf "%s", held; print; held = ""; next }
                               { held = held $0 "\n"; last[test] = $0 }
        END                    { printf "%s", held; if (skipped) printf "\nSkipped:\n%s", skipped }'
    go build -o /dev/null .
    echo "All tests passed."

# compile the LaTeX of reports with pdflatex (installs TeX Live's basics); ARGS go to go test
slow *ARGS:
    ABLATE_SLOW=1 go test -tags '{{ tags }}' -count=1 -run LaTeXCompiles "$@" ./reports/...

# measure a training step; ARGS go to ablate bench trainer
bench *ARGS: build
    bin/ablate bench trainer "$@"

# compare a training step with PyTorch's, into bench/RESULTS.md; ARGS: --help
bench-torch *ARGS: build
    go run ./bench "$@"

# measure the kernels, ops and augmentations; ARGS go to go test
bench-go pattern='.' *ARGS:
    go test -tags '{{ tags }}' -run '^$' -benchmem -bench "$@" ./trainer/...

# fuzz every parser and reader for TIME each (as in 30s, 10m); findings stay in testdata/fuzz
fuzz time='1m':
    #!/usr/bin/env bash
    set -euo pipefail
    grep -ro --include='*_test.go' '^func Fuzz[A-Za-z0-9]*' . | sort | while IFS=: read -r file name; do
        echo "${file%/*} ${name#func }"
        go test -tags '{{ tags }}' -run '^$' -fuzz "^${name#func }\$" -fuzztime "$1" -fuzzminimizetime 20x "${file%/*}" </dev/null
    done

# check format, vet and staticcheck, with and without oneDNN
lint:
    #!/usr/bin/env bash
    set -euo pipefail
    sh -n justw && bash -n .ci/run
    unformatted=$(gofmt -l .)
    if [[ -n $unformatted ]]; then
        printf 'not formatted; run ./justw fmt:\n%s\n' "$unformatted" >&2
        exit 1
    fi
    for tags in '' {{ tags }}; do
        go vet -tags "$tags" ./...
        go run {{ staticcheck }} -tags "$tags" ./...
    done
    echo "lint: nothing to say"

# format the Go files
fmt:
    gofmt -w .

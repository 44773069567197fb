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

# measure a training step; ARGS go to ablate bench trainer
bench *ARGS: build
    bin/ablate bench trainer "$@"

# compare a training step with PyTorch's, into bench/RESULTS.md; ARGS: --help
bench-torch *ARGS: build
    go run ./bench "$@"

# measure the kernels, ops and augmentations; ARGS go to go test
bench-go pattern='.' *ARGS:
    go test -tags '{{ tags }}' -run '^$' -benchmem -bench "$@" ./trainer/...

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

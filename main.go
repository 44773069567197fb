// Ablate finds out which part of a method matters: it runs a study's matrix of
// experiments, stores every metric, and decides the study's claims.
package main

import (
	"os"

	"ablate/orchestrator/cli"
)

func main() {
	os.Exit(cli.Main(cli.Interruptible(), os.Args[1:], os.Stdout, os.Stderr))
}

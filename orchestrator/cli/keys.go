package cli

import (
	"fmt"
	"text/tabwriter"

	"ablate/trainer/config"

	"github.com/urfave/cli/v2"
)

func keysCommand() *cli.Command {
	return &cli.Command{
		Name:      "keys",
		Usage:     "list every key of a configuration: default, allowed values, meaning",
		UsageText: "ablate keys [--json]",
		Flags:     []cli.Flag{jsonFlag()},
		Action:    listKeys,
	}
}

type keyJSON struct {
	Key     string `json:"key"`     // dotted path
	Default any    `json:"default"` // its type is that of the key
	Allowed string `json:"allowed"` // values, for a person to read
	Says    string `json:"says"`    // what it is for
}

func listKeys(c *cli.Context) error {
	if err := none(c); err != nil {
		return err
	}
	if c.Bool("json") {
		var list []keyJSON
		for _, k := range config.Keys {
			list = append(list, keyJSON{k.Path, k.Default, k.Allows(), k.Says})
		}
		return writeJSON(c.App.Writer, list)
	}
	t := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KEY\tDEFAULT\tALLOWED\tMEANING")
	for _, k := range config.Keys {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", k.Path, config.Print(k.Default), k.Allows(), k.Says)
	}
	return t.Flush()
}

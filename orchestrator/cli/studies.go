package cli

import (
	"fmt"
	"text/tabwriter"

	"ablate/ablations"
	"ablate/words"

	"github.com/urfave/cli/v2"
)

func studiesCommand() *cli.Command {
	return &cli.Command{
		Name:      "studies",
		Usage:     "list the shipped studies, or print one",
		UsageText: "ablate studies [--json]\nablate studies show NAME > my.toml\nablate studies schema > study.schema.json",
		Flags:     []cli.Flag{jsonFlag()},
		Action:    listStudies,
		Subcommands: []*cli.Command{{
			Name:      "show",
			Usage:     "print a study's text, to be copied and changed",
			UsageText: "ablate studies show NAME",
			Action:    showStudy,
		}, {
			Name:      "schema",
			Usage:     "print the JSON Schema of studies, for an editor that completes and checks",
			UsageText: "ablate studies schema > study.schema.json",
			Description: "Editors that use taplo (VS Code's Even Better TOML, Neovim, Helix, Zed) read the schema that a study names in its\n" +
				"first line:\n\n   #:schema ./study.schema.json",
			Action: printSchema,
		}},
	}
}

type shippedJSON struct {
	Name  string `json:"name"`  // to run it by
	Title string `json:"title"` // what it asks
	Cells int    `json:"cells"` // how many
	Seeds int    `json:"seeds"` // how many
}

func listStudies(c *cli.Context) error {
	if err := none(c); err != nil {
		return err
	}
	var list []shippedJSON
	for _, name := range ablations.Shipped() {
		study, err := loadStudy(name, nil)
		if err != nil {
			return err
		}
		list = append(list, shippedJSON{name, study.Title, len(study.Cells), len(study.Seeds)})
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, list)
	}
	t := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	for _, s := range list {
		fmt.Fprintf(t, "%s\t%s x %s\t%s\n", s.Name, words.Plural(s.Cells, "cell"), words.Plural(s.Seeds, "seed"), words.Printable(s.Title))
	}
	return t.Flush()
}

func printSchema(c *cli.Context) error {
	if err := none(c); err != nil {
		return err
	}
	_, err := c.App.Writer.Write(ablations.Schema())
	return err
}

func showStudy(c *cli.Context) error {
	name, err := only(c, "the name of a study")
	if err != nil {
		return err
	}
	study, err := loadStudy(name, nil)
	if err != nil {
		return err
	}
	_, err = c.App.Writer.Write(study.Text)
	return err
}

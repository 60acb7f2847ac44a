package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

func ruleInspectCommand() *cli.Command {
	return &cli.Command{
		Name:      "inspect",
		Usage:     "show what a rule module is: manifest, size, checksum, imports, exports, memory, fuel",
		ArgsUsage: "FILE",
		Description: "A module that does not load fails with everything that is wrong with it. In the place of a file there may be the name\n" +
			"of a module that is built in.\n\n" +
			"Example:\n  tocsin rule inspect hot.wasm\n  tocsin rule inspect threshold",
		Flags: []cli.Flag{outputFlag()},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			return withModule(ctx, cmd, func(host *wasm.Host, name string, code []byte) error {
				i, err := host.Inspect(ctx, name, code)
				if err != nil {
					return err
				}
				return printAs(cmd, i, func(w io.Writer) error { return writeInspection(w, &i) })
			})
		},
	}
}

func writeInspection(out io.Writer, i *wasm.Inspection) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
	m := &i.Manifest
	line("module", "%s", strings.TrimSpace(m.Name+" "+m.Version))
	if m.Description != "" {
		line("", "%s", m.Description)
	}
	for _, p := range m.Params {
		line("param", "%s", describeParam(p))
	}
	for _, in := range m.Inputs {
		line("input", "%s", describeInput(in))
	}
	line("instances", "%s", map[bool]string{true: "shared: one serves many rules", false: "one for each rule"}[m.Shared])
	if m.State.Version > 0 {
		line("state", "version %d, survives a restart", m.State.Version)
	}
	if m.SDK.Name != "" {
		line("sdk", "%s %s", m.SDK.Name, m.SDK.Version)
	}
	line("abi", "%d.%d, manifest %s", m.ABI.Major, m.ABI.MinMinor,
		map[bool]string{true: "in the section tocsin.manifest", false: "from tocsin_describe"}[i.Section])
	line("size", "%d bytes, %d functions", i.Bytes, i.Functions)
	line("sha256", "%s", i.SHA256)
	line("memory", "%s at least, %s when ready", kib(i.MemoryStart), kib(uint64(i.MemoryReady)))
	line("fuel", "%d for the initialization, once an instance; what an evaluation costs: tocsin rule bench", i.FuelStart)
	line("imports", "%s", strings.Join(i.Imports, "\n\t"))
	line("exports", "%s", strings.Join(i.Exports, "\n\t"))
	return w.Flush()
}

func kib(bytes uint64) string { return fmt.Sprintf("%d KiB", bytes>>10) }

func describeParam(p schema.Attribute) string {
	text := p.Name + " " + string(p.Type)
	switch {
	case p.Required:
		text += ", required"
	case p.Default != nil:
		text += fmt.Sprintf(", default %v", p.Default)
	}
	if p.Min != nil {
		text += fmt.Sprintf(", at least %v", *p.Min)
	}
	if p.Max != nil {
		text += fmt.Sprintf(", at most %v", *p.Max)
	}
	if p.Type == schema.Duration && (p.Min != nil || p.Max != nil) {
		text += " seconds"
	}
	if len(p.Enum) > 0 {
		text += ", one of " + strings.Join(p.Enum, " ")
	}
	if p.Pattern != "" {
		text += ", matching " + p.Pattern
	}
	if p.Description != "" {
		text += ": " + p.Description
	}
	return text
}

func describeInput(in abi.ManifestInput) string {
	text := in.Name
	if in.Reduce != "" {
		text += ", " + in.Reduce
	}
	if in.DefaultRange != "" {
		text += " over " + in.DefaultRange
	}
	if len(in.ReduceChoices) > 0 {
		text += ", or " + strings.Join(in.ReduceChoices, " ")
	}
	if in.DefaultMatch != "" {
		text += ", of " + in.DefaultMatch
	}
	if in.Like != "" {
		text += ", of the series of " + in.Like
	}
	if in.Optional {
		text += ", optional"
	}
	if in.Description != "" {
		text += ": " + in.Description
	}
	return text
}

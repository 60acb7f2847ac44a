package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/core/wasm/conformance"
)

func ruleConformanceCommand() *cli.Command {
	return &cli.Command{
		Name:      "conformance",
		Usage:     "hold a rule module, in whatever language, to the contract with the engine",
		ArgsUsage: "FILE",
		Description: "Memory, blocks, generations of series, limits, state, garbage: a line for each check, and exit status 1 if one failed.\n" +
			"Whether the rule judges rightly is not asked: that is for its tests. In the place of a file there may be the name of a\n" +
			"module that is built in.\n\n" +
			"Example:\n  tocsin rule conformance hot.wasm",
		Flags: []cli.Flag{paramsFlag(), outputFlag()},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			return withModule(ctx, cmd, func(host *wasm.Host, name string, code []byte) error {
				results := conformance.Run(ctx, host, name, code, conformance.Options{Params: json.RawMessage(cmd.String("params"))})
				err := printAs(cmd, results, func(w io.Writer) error { return writeResults(w, results) })
				if err == nil && conformance.Failed(results) {
					return errReported
				}
				return err
			})
		},
	}
}

func writeResults(w io.Writer, results []conformance.Result) error {
	count := map[conformance.Outcome]int{}
	for _, r := range results {
		count[r.Outcome]++
		text := r.Asks
		if r.Detail != "" {
			text += ": " + r.Detail
		}
		if _, err := fmt.Fprintf(w, "%-4s  %-18s  %s\n", r.Outcome, r.Check, text); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%d passed, %d failed, %d do not apply\n", count[conformance.Pass], count[conformance.Fail], count[conformance.Skip])
	return err
}

// Command tocsin is the alerting engine and everything around it: one file a subcommand.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v3"
)

// version is set by the linker: see the Makefile.
var version = "dev"

// executable is what the engine re-executes for built-in plugins; "" is this process's own binary.
var executable string

// cacheDir keeps compiled rule modules; "" is below data_dir. The tests share one.
var cacheDir string

func main() { os.Exit(run()) }

// run is main for the tests, which execute it as a command of the test binary.
func run() int {
	root := &cli.Command{
		Name:                      "tocsin",
		Usage:                     "from a measurement to a woken engineer",
		Description:               "Tocsin scrapes metrics, judges them with sandboxed rules, and sees to it that the right\nperson hears what is wrong, once. Start with: tocsin demo",
		HideVersion:               true,
		DisableSliceFlagSeparator: true, // -var a=b,c is one value
		ExitErrHandler:            func(context.Context, *cli.Command, error) {},
		Commands: []*cli.Command{
			runCommand(), checkCommand(), fmtCommand(), demoCommand(), testCommand(), replayCommand(), planCommand(), whyCommand(),
			drillCommand(), alertCommand(), ackCommand(), silenceCommand(), routeCommand(), receiverCommand(), ruleCommand(), versionCommand(), pluginServeCommand(),
		},
	}
	if err := root.Run(context.Background(), os.Args); err != nil {
		if message := err.Error(); message != "" {
			fmt.Fprintln(os.Stderr, "tocsin:", message)
		}
		if coder, ok := errors.AsType[cli.ExitCoder](err); ok {
			return coder.ExitCode()
		}
		return 1
	}
	return 0
}

// errReported ends a command with exit code 1 after it has said itself what was wrong.
var errReported = cli.Exit("", 1)

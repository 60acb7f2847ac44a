package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/rs/zerolog"
	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/rehearsal"
	"github.com/tocsinhq/tocsin/core/wasm"
)

func testCommand() *cli.Command {
	return &cli.Command{
		Name:      "test",
		Usage:     "test configurations: samples and faults in, states and exact payloads out, on a virtual clock",
		ArgsUsage: "PATH…",
		Description: "Each PATH is a file of tests or a directory, in which all *.test.hcl are run. Hours pass in milliseconds, and the same\n" +
			"test prints the same each time. Ends with 1 if a test fails.\n\n" +
			"Example:\n  tocsin test -v -run 'recovers' examples/quickstart",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "run", Usage: "run only tests whose name matches `REGEXP`"},
			&cli.BoolFlag{Name: "v", Usage: "print every test and what happened in it"},
			&cli.BoolFlag{Name: "payloads", Usage: "like -v, and print what each notifier was told"},
			&cli.BoolFlag{Name: "json", Usage: "print what happened as \"go test -json\" does"},
			&cli.StringFlag{Name: "junit", Usage: "also write a JUnit report to `FILE`"},
			&cli.BoolFlag{Name: "verify", Usage: "run every rule in two instances and fail where they disagree (twice the time)"},
			&cli.BoolFlag{Name: "update", Usage: "write the golden files of payloads instead of comparing with them"},
		},
		Action: runTests,
	}
}

func runTests(ctx context.Context, cmd *cli.Command) error {
	if cmd.Args().Len() == 0 {
		return errors.New("which tests? Usage: tocsin test PATH…")
	}
	chosen, err := regexp.Compile(cmd.String("run"))
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	tests, diags := config.LoadTests(cmd.Args().Slice())
	if err := complain(diags); err != nil {
		return err
	}
	modules, err := moduleHostWith(ctx, wasm.Options{Verify: cmd.Bool("verify"), Keep: true})
	if err != nil {
		return err
	}
	defer func() { _ = modules.Close(context.WithoutCancel(ctx)) }() // the process ends
	director := rehearsal.New(rehearsal.Options{Bubble: rehearsal.NewBubble(), Modules: modules, Update: cmd.Bool("update")})
	began := time.Now()
	suites, err := rehearse(director, tests, chosen, func(s *rehearsal.Suite) error {
		if cmd.Bool("json") {
			return s.WriteJSON(cmd.Root().Writer)
		}
		with := rehearsal.Detail{Events: cmd.Bool("v") || cmd.Bool("payloads"), Payloads: cmd.Bool("payloads")}
		return s.WriteText(cmd.Root().Writer, with)
	})
	if err == nil && len(suites) == 0 {
		err = fmt.Errorf("no test matches %q", chosen)
	}
	if path := cmd.String("junit"); path != "" {
		err = errors.Join(err, writeFile(path, func(w io.Writer) error { return rehearsal.WriteJUnit(w, suites) }))
	}
	if err != nil {
		return err
	}
	return verdict(suites, time.Since(began))
}

// rehearse runs the chosen tests and reports each file when it is done.
func rehearse(d *rehearsal.Director, tests []config.Test, chosen *regexp.Regexp, report func(*rehearsal.Suite) error) (suites []rehearsal.Suite, err error) {
	for i := range tests {
		t := &tests[i]
		if !chosen.MatchString(t.Name) {
			continue
		}
		if n := len(suites); n == 0 || suites[n-1].File != t.Range.File {
			if n > 0 {
				err = errors.Join(err, report(&suites[n-1]))
			}
			suites = append(suites, rehearsal.Suite{File: t.Range.File})
		}
		result, diags := d.Run(t)
		if broken := complain(diags); broken != nil {
			return suites, errors.Join(err, broken)
		}
		suites[len(suites)-1].Add(result)
	}
	if n := len(suites); n > 0 {
		err = errors.Join(err, report(&suites[n-1]))
	}
	return suites, err
}

// verdict sums up on standard error, where it disturbs nobody who compares outputs, and returns errReported if a test failed.
func verdict(suites []rehearsal.Suite, took time.Duration) error {
	var ran, failed int
	for i := range suites {
		for j := range suites[i].Results {
			ran++
			if len(suites[i].Results[j].Failures) > 0 {
				failed++
			}
		}
	}
	plural := "s"
	if ran == 1 {
		plural = ""
	}
	fmt.Fprintf(os.Stderr, "%d test%s in %s, %d failed\n", ran, plural, took.Round(time.Millisecond), failed)
	if failed > 0 {
		return errReported
	}
	return nil
}

// complain prints diagnostics and returns errReported if there is an error among them.
func complain(diags config.Diagnostics) error {
	if err := diags.Write(os.Stderr, wantsColor(os.Stderr), 100); err != nil {
		return err
	}
	if diags.HasErrors() {
		return errReported
	}
	return nil
}

// moduleHost runs rule modules for commands without a data_dir. Compiled code is kept in the user's cache, if there is one.
func moduleHost(ctx context.Context) (*wasm.Host, error) {
	return moduleHostWith(ctx, wasm.Options{})
}

func moduleHostWith(ctx context.Context, o wasm.Options) (*wasm.Host, error) {
	dir := cacheDir
	if dir == "" {
		if user, err := os.UserCacheDir(); err == nil {
			dir = filepath.Join(user, "tocsin", "modules")
		}
	}
	o.CacheDir, o.Logger, o.Interpreter = dir, zerolog.Nop(), true
	return wasm.New(ctx, o)
}

func writeFile(path string, fill func(io.Writer) error) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return fill(f)
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/config"
)

func fmtCommand() *cli.Command {
	return &cli.Command{
		Name:      "fmt",
		Usage:     "bring configuration files into canonical form",
		ArgsUsage: "PATH…",
		Description: "Each PATH is a file or a directory, whose *.hcl files are formatted. Names of changed files are printed.\n\n" +
			"Example:\n  tocsin fmt -check examples/quickstart",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "check", Usage: "change nothing, fail if a file is not in canonical form"},
		},
		Action: func(_ context.Context, cmd *cli.Command) error {
			files, err := hclFiles(cmd.Args().Slice())
			if err != nil {
				return err
			}
			var changed int
			for _, file := range files {
				differs, err := formatFile(file, !cmd.Bool("check"))
				if err != nil {
					return err
				}
				if differs {
					changed++
					fmt.Fprintln(cmd.Root().Writer, file)
				}
			}
			if changed > 0 && cmd.Bool("check") {
				return errReported
			}
			return nil
		},
	}
}

// hclFiles lists the files that the paths stand for.
func hclFiles(paths []string) ([]string, error) {
	if len(paths) == 0 {
		return nil, errors.New("which files? Usage: tocsin fmt PATH…")
	}
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.HasSuffix(p, ".hcl") {
				files = append(files, p)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// formatFile tells whether the file is not in canonical form, and replaces it if write is set.
func formatFile(file string, write bool) (differs bool, err error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return false, err
	}
	formatted, diags := config.Format(src, file)
	if diags.HasErrors() {
		return false, errors.Join(diags.Write(os.Stderr, wantsColor(os.Stderr), 100), errReported)
	}
	if bytes.Equal(src, formatted) || !write {
		return !bytes.Equal(src, formatted), nil
	}
	info, err := os.Stat(file)
	if err != nil {
		return false, err
	}
	next := file + ".tocsin-fmt"
	if err := os.WriteFile(next, formatted, info.Mode().Perm()); err != nil {
		return false, err
	}
	return true, os.Rename(next, file)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/examples"
	"github.com/tocsinhq/tocsin/sdk"
)

func ruleNewCommand() *cli.Command {
	return &cli.Command{
		Name:      "new",
		Usage:     "write a folder with a rule in Go to start from",
		ArgsUsage: "NAME",
		Description: "The folder holds a rule that works, its test, a configuration with it and a test of that, and a copy of the SDK. It needs\n" +
			"Go and no network.\n\n" +
			"Example:\n  tocsin rule new hello && tocsin rule build hello && tocsin test hello",
		Action: func(_ context.Context, cmd *cli.Command) error {
			if cmd.Args().Len() != 1 {
				return errors.New("usage: tocsin rule new NAME")
			}
			name := cmd.Args().First()
			if err := newRule(name); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.Root().Writer, "%[1]s/rule.go is the rule, %[1]s/README.md says what the rest is. Next:\n"+
				"  tocsin rule build %[1]s && tocsin test %[1]s\n", name)
			return err
		},
	}
}

// goVersion is what the SDK needs: the one in go.mod, which a test compares it with.
const goVersion = "1.26.0"

// sdkFolder is where the copy of the SDK lies in the folder of a rule.
const sdkFolder = "tocsin"

const goMod = `module example.org/%[1]s

go %[2]s

require github.com/tocsinhq/tocsin v0.0.0

// The copy that "tocsin rule new" wrote. With a published version instead: go get github.com/tocsinhq/tocsin@VERSION
replace github.com/tocsinhq/tocsin => ./%[3]s
`

const sdkMod = `module github.com/tocsinhq/tocsin

go %s
`

const sdkReadme = `# The rule SDK of Tocsin

A copy of sdk/rule and of what it imports, as they were in tocsin %s. Do not change it: write a newer one over it, or use
a published version (see ../go.mod). It is under Tocsin's license, Apache 2.0.
`

const newReadme = `
## The SDK

The folder ` + "`" + sdkFolder + "`" + ` holds a copy of the SDK from the tocsin that wrote this, so that the rule can be built without a network; ` + "`go.mod`" + `
points there. Where the module github.com/tocsinhq/tocsin is published, remove the folder and the line ` + "`replace`" + `, and
` + "`go get`" + ` a version.
`

var ruleName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// newRule writes the example rule under another name.
func newRule(name string) (err error) {
	if !ruleName.MatchString(name) {
		return fmt.Errorf("a rule cannot be called %q: a name has lower case letters, digits and _ and begins with a letter", name)
	}
	if err := os.Mkdir(name, 0o755); err != nil {
		return fmt.Errorf("make the folder of the rule: %w", err)
	}
	files := map[string]string{
		".gitignore":             "*.wasm\n",
		"go.mod":                 fmt.Sprintf(goMod, name, goVersion, sdkFolder),
		sdkFolder + "/go.mod":    fmt.Sprintf(sdkMod, goVersion),
		sdkFolder + "/README.md": fmt.Sprintf(sdkReadme, version),
	}
	err = errors.Join(
		collect(examples.Rule, func(path, text string) {
			path = strings.TrimPrefix(path, "rule-go/")
			if path == "README.md" {
				text += newReadme
			}
			files[renamed(path, name)] = renamed(text, name)
		}),
		collect(sdk.Rule, func(path, text string) {
			if !strings.HasSuffix(path, "_test.go") {
				files[sdkFolder+"/sdk/"+path] = text
			}
		}))
	for path, text := range files {
		if err == nil {
			err = writeText(filepath.Join(name, filepath.FromSlash(path)), text)
		}
	}
	if err != nil {
		return fmt.Errorf("write the rule %s: %w", name, err)
	}
	return nil
}

// collect hands out every file of an embedded folder.
func collect(files fs.FS, each func(path, text string)) error {
	return fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, path)
		each(path, string(text))
		return err
	})
}

func writeText(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

var (
	exampleName = regexp.MustCompile(`\bhot\b`)
	exampleType = regexp.MustCompile(`\b(Test)?Hot\b`)
)

// renamed puts a name in the place of the example's: hot is the module, Hot its type and the rule of the configuration.
func renamed(text, name string) string {
	var camel strings.Builder
	for word := range strings.SplitSeq(name, "_") {
		if word != "" {
			camel.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	text = exampleName.ReplaceAllLiteralString(text, name)
	return exampleType.ReplaceAllString(text, "${1}"+camel.String())
}

package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/core/api"
)

// How people write on a command line which alerts they mean is as in amtool: NAME=VALUE, also with !=, =~ and !~, as
// many as wanted, and a first word without an operator is the name of the alert. NAME{label="value"} is understood too.

// wordsHelp describes it.
const wordsHelp = "MATCHER is NAME=VALUE, NAME!=VALUE, NAME=~REGEXP or NAME!~REGEXP; all must hold.\n" +
	"A first word without an operator is the name of the alert."

// matchersOf reads which alerts are meant, as matchers one a text; none where words is empty.
func matchersOf(words []string) ([]string, error) {
	words, err := withAlertname(words)
	if err != nil || len(words) == 0 {
		return nil, err
	}
	matchers, err := api.ParseMatchers(words)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(matchers))
	for i, m := range matchers {
		texts[i] = m.String()
	}
	return texts, nil
}

// withAlertname replaces a first word that names an alert.
func withAlertname(words []string) ([]string, error) {
	if len(words) == 0 {
		return nil, nil
	}
	name, rest, braces := strings.Cut(words[0], "{")
	if name == "" || strings.ContainsAny(name, "=~!\"") {
		return words, nil
	}
	first := []string{"alertname=" + strconv.Quote(name)}
	if braces {
		if !strings.HasSuffix(rest, "}") {
			return nil, fmt.Errorf("read alert %q: the } is missing", words[0])
		}
		first = append(first, "{"+rest)
	}
	return append(first, words[1:]...), nil
}

// labelsOf reads the labels of an alert.
func labelsOf(words []string) (map[string]string, error) {
	words, err := withAlertname(words)
	if err != nil {
		return nil, err
	}
	ls, err := api.ParseLabels(words)
	if err != nil {
		return nil, err
	}
	return ls.Map(), nil
}

// pairsOf reads NAME=VALUE texts of a flag.
func pairsOf(flag string, texts []string) (map[string]string, error) {
	pairs := map[string]string{}
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("-%s %s: want NAME=VALUE", flag, text)
		}
		pairs[name] = value
	}
	return pairs, nil
}

// timeOf reads a time that a flag gives; zero where it is not given.
func timeOf(cmd *cli.Command, flag string) (time.Time, error) {
	text := cmd.String(flag)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("-%s %s: want a time such as 2026-12-01T06:00:00Z", flag, text)
	}
	return t, nil
}

// durationOf reads a length of time that a flag gives, such as 1h30m or 7d; 0 where it is not given.
func durationOf(cmd *cli.Command, flag string) (time.Duration, error) {
	text := cmd.String(flag)
	if text == "" {
		return 0, nil
	}
	d, err := model.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("-%s %s: want a length of time such as 1h30m or 7d", flag, text)
	}
	return time.Duration(d), nil
}

package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// identifier tells what is wrong with a name that expressions refer to, "" if nothing is.
func identifier(name string) string {
	for i, r := range name {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r != '-' && (r < '0' || r > '9')) {
			return "use letters, digits, _ and -, a letter first"
		}
	}
	return bounded(name, 64)
}

// title tells what is wrong with a name that people read, "" if nothing is.
func title(name string) string {
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return "it holds a character that cannot be printed"
		}
	}
	if strings.TrimSpace(name) != name {
		return "it begins or ends with a space"
	}
	return bounded(name, 200)
}

func bounded(name string, limit int) string {
	switch {
	case name == "":
		return "it is empty"
	case utf8.RuneCountInString(name) > limit:
		return fmt.Sprintf("it is longer than %d characters", limit)
	}
	return ""
}

// Nearest returns the known name that given was probably meant to be, "" if none is close.
func Nearest(given string, known []string) string {
	limit := 1 + len(given)/4 // edits that still look like a slip
	best, found := min(limit, 3)+1, ""
	for _, k := range slices.Sorted(slices.Values(known)) {
		if strings.EqualFold(given, k) {
			return k
		}
		d := distance(strings.ToLower(given), strings.ToLower(k))
		if d < best && d < max(len(given), len(k)) { // something must be left of the name
			best, found = d, k
		}
	}
	return found
}

// didYouMean is a sentence that leads from a wrong name to a right one: the nearest, or all if they are few.
func didYouMean(given string, known []string) string {
	if n := Nearest(given, known); n != "" {
		return fmt.Sprintf(" Did you mean %q?", n)
	}
	if len(known) == 0 || len(known) > 8 {
		return ""
	}
	known = slices.Sorted(slices.Values(known))
	return " There is " + quoted(known, "and") + "."
}

// quoted lists names: "a", "b" and "c".
func quoted(names []string, last string) string {
	var b strings.Builder
	for i, n := range names {
		switch {
		case i > 0 && i == len(names)-1:
			b.WriteString(" " + last + " ")
		case i > 0:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", n)
	}
	return b.String()
}

// distance counts the single-character edits between a and b, a swap of neighbours being one.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// sentence makes a full stop follow the text.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" || strings.HasSuffix(text, ".") || strings.HasSuffix(text, "?") {
		return text
	}
	return text + "."
}

package schema

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Check tells whether a block is well-formed: one that comes from a plugin or a module may not be.
func Check(block Block) error {
	if err := checkBlock(block, 0); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	return nil
}

const maxDepth = 8 // of blocks in blocks

func checkBlock(block Block, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("blocks are nested more than %d deep", maxDepth)
	}
	seen := map[string]bool{}
	for _, a := range block.Attributes {
		if err := checkName(a.Name, seen); err != nil {
			return fmt.Errorf("attribute: %w", err)
		}
		if err := checkAttribute(a); err != nil {
			return fmt.Errorf("attribute %s: %w", a.Name, err)
		}
	}
	for _, b := range block.Blocks {
		if err := checkName(b.Name, seen); err != nil {
			return fmt.Errorf("block: %w", err)
		}
		if err := checkBlock(b.Block, depth+1); err != nil {
			return fmt.Errorf("block %s: %w", b.Name, err)
		}
	}
	return nil
}

func checkAttribute(a Attribute) error {
	element := a.Type
	for _, of := range []string{"list(", "map("} {
		if inner, ok := strings.CutPrefix(string(a.Type), of); ok {
			element = Type(strings.TrimSuffix(inner, ")"))
		}
	}
	if !slices.Contains([]Type{Bool, Int, Float, String, Duration}, element) ||
		!slices.Contains([]Type{element, List(element), Map(element)}, a.Type) {
		return fmt.Errorf("the type %q is not known", a.Type)
	}
	if a.Required && a.Default != nil {
		return fmt.Errorf("a required attribute has no default")
	}
	if _, err := regexp.Compile(a.Pattern); err != nil {
		return fmt.Errorf("pattern: %w", err)
	}
	return nil
}

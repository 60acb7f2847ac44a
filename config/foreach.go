package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// maxCopies is how many copies all for_each of a configuration together may make.
const maxCopies = 10_000

// A block with for_each stands for one block for each element of a map or a set of strings, in the order of the keys.
// Each copy is called by the name of the block and its key, cpu["db"], and that is its identity everywhere: in states,
// in the journal, in plans. In its expressions each.key and each.value are the element.

// each is one copy of a block; of a block without for_each there is one, without a key.
type each struct {
	name  string // of the copy; with the kind before it where the block has one
	key   string // "" without for_each
	value cty.Value
}

// keyed is the name of a copy.
func keyed(name, key string) string { return name + "[" + strconv.Quote(key) + "]" }

// unkeyed is the name of the block that a copy comes from; key is "" for a block without for_each.
func unkeyed(name, key string) string {
	if key == "" {
		return name
	}
	return strings.TrimSuffix(name, "["+strconv.Quote(key)+"]")
}

// copies calls decode for each copy of a block, with each.key and each.value in scope. After a copy with mistakes it
// stops: the others would have the same.
func (l *loader) copies(block *hcl.Block, decode func(each)) {
	name := strings.Join(block.Labels, ".")
	all, expanded := l.expansions[block.Type+"."+name]
	if !expanded {
		decode(each{name: name})
		return
	}
	defer delete(l.values, "each")
	for i, copied := range all {
		l.values["each"] = cty.ObjectVal(map[string]cty.Value{"key": cty.StringVal(copied.key), "value": copied.value})
		before := len(l.diags)
		decode(copied)
		if !l.diags[before:].HasErrors() {
			continue
		}
		for _, d := range l.diags[before:] {
			if i > 0 { // it is not all of them
				d.Detail += fmt.Sprintf(" That is so where each.key is %q.", copied.key)
			}
		}
		return
	}
}

// expand evaluates for_each of every block that has one, and declares the copies. What for_each says must be known
// before anything refers to a notifier, so it cannot depend on one: late are the locals that do.
func (l *loader) expand(late map[string]bool) {
	total := 0
	for _, blockType := range []string{"source", "rule", "notifier"} {
		for _, b := range l.blocks[blockType] {
			name := strings.Join(b.Labels, ".")
			attr := forEach(b)
			if attr == nil || !l.isFirst(b, name) {
				continue
			}
			all := l.elements(attr, late)
			if total+len(all) > maxCopies {
				l.errorf(attr.Expr.Range(), "Too many copies", "With this one, for_each makes more than %d blocks. Fewer rules that group by a label do more.", maxCopies)
				all = nil
			}
			total += len(all)
			for i := range all {
				all[i].name = keyed(name, all[i].key)
				if first, taken := l.declared[blockType][all[i].name]; taken {
					l.errorf(attr.Expr.Range(), "Duplicate "+blockType, "A copy would be called %s, as is the block at %s:%d.", all[i].name, first.Filename, first.Start.Line)
				}
				l.declared[blockType][all[i].name] = headerRange(b)
			}
			l.expansions[blockType+"."+name] = all
		}
	}
}

// forEach is the attribute for_each of a block, nil without one.
func forEach(b *hcl.Block) *hcl.Attribute {
	content, _, _ := b.Body.PartialContent(bodySchema([]string{"for_each"}, nil))
	return content.Attributes["for_each"]
}

// elements evaluates a for_each.
func (l *loader) elements(attr *hcl.Attribute, late map[string]bool) (all []each) {
	at := attr.Expr.Range()
	for _, t := range attr.Expr.Variables() {
		name, _ := step(t, 1)
		if t.RootName() == "notifier" || t.RootName() == "local" && late[name] {
			l.errorf(t.SourceRange(), "Cycle", "for_each says which notifiers there are, so it cannot depend on them.")
			return nil
		}
	}
	v, ok := l.eval(attr.Expr)
	if !ok {
		return nil
	}
	v, marks := v.Unmark()
	_, secret := marks[sensitive]
	t := v.Type()
	switch {
	case secret:
		l.errorf(at, "Sensitive value in for_each", "Its keys become names, which are shown everywhere. If they may be, say so with nonsensitive(…).")
	case v.IsNull():
		l.errorf(at, "Wrong type", "for_each must be a map or a set of strings, not null. For no copies write {}.")
	case t.IsTupleType(), t.IsListType():
		l.errorf(at, "Wrong type", "for_each must be a map or a set of strings, not a list: elements of lists have no lasting names. Write toset([…]).")
	case t.IsSetType() && t.ElementType() != cty.String && v.LengthInt() > 0:
		l.errorf(at, "Wrong type", "for_each must be a map or a set of strings, not a set of something else.")
	case t.IsObjectType(), t.IsMapType(), t.IsSetType():
		for it := v.ElementIterator(); it.Next(); {
			key, value := it.Element()
			if key.IsNull() || key.Type() != cty.String {
				l.errorf(at, "Invalid key in for_each", "A key is null or no string.")
				continue
			}
			if wrong := title(key.AsString()); wrong != "" {
				l.errorf(at, "Invalid key in for_each", "%q cannot be part of a name: %s.", key.AsString(), wrong)
				continue
			}
			all = append(all, each{key: key.AsString(), value: value})
		}
		slices.SortFunc(all, func(a, b each) int { return strings.Compare(a.key, b.key) })
	default:
		l.errorf(at, "Wrong type", "for_each must be a map or a set of strings, not %s.", kindOf(v))
	}
	return all
}

// notifierValues is what notifier.KIND.NAME stands for: its reference, or with for_each one for each key.
func (l *loader) notifierValues() cty.Value {
	refs := map[string]map[string]cty.Value{}
	for _, b := range l.blocks["notifier"] {
		kind, name := b.Labels[0], b.Labels[1]
		if !l.isFirst(b, kind+"."+name) {
			continue
		}
		if refs[kind] == nil {
			refs[kind] = map[string]cty.Value{}
		}
		refs[kind][name] = cty.StringVal("notifier." + kind + "." + name)
		all, expanded := l.expansions["notifier."+kind+"."+name]
		switch {
		case expanded && len(all) == 0 && l.diags.HasErrors():
			refs[kind][name] = cty.DynamicVal // what is wrong with its for_each was said
		case expanded:
			keys := map[string]cty.Value{}
			for _, copied := range all {
				keys[copied.key] = cty.StringVal("notifier." + copied.name)
			}
			refs[kind][name] = cty.ObjectVal(keys)
		}
	}
	kinds := map[string]cty.Value{}
	for kind, names := range refs {
		kinds[kind] = cty.ObjectVal(names)
	}
	return cty.ObjectVal(kinds)
}

// checkKey complains about a reference to a copy that for_each does not make.
func (l *loader) checkKey(ref string, t hcl.Traversal) bool {
	all, expanded := l.expansions["notifier."+ref]
	key, given := step(t, 3)
	if !expanded || !given || len(all) == 0 {
		return true
	}
	if slices.ContainsFunc(all, func(e each) bool { return e.key == key }) {
		return true
	}
	keys := make([]string, len(all))
	for i := range all {
		keys[i] = all[i].key
	}
	l.missingf(t.SourceRange(), "Unknown notifier", "for_each of notifier.%s makes no %q.%s", ref, key, didYouMean(key, keys))
	return false
}

// expandedHint says how to refer to the copies of a block, where it was referred to as a whole; "" for anything else.
func (l *loader) expandedHint(expr hcl.Expression) string {
	t, diags := hcl.AbsTraversalForExpr(expr)
	if diags.HasErrors() || t.RootName() != "notifier" || len(t) != 3 {
		return ""
	}
	kind, _ := step(t, 1)
	name, _ := step(t, 2)
	all, expanded := l.expansions["notifier."+kind+"."+name]
	if !expanded || len(all) == 0 {
		return ""
	}
	return fmt.Sprintf(" It has for_each: name one as notifier.%s, or all with values(notifier.%s.%s).", all[0].name, kind, name)
}

package rehearsal

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"text/template"
	"text/template/parse"
)

// branches finds out which branches of templates are rendered: the two ways of each if and with, the body of each range
// and what stands in its place when there is nothing to range over. A mark is put at the head of each, a call that
// renders nothing and is seen.
type branches struct {
	mu   sync.Mutex
	all  []Place         // guarded by mu
	done map[string]bool // guarded by mu
}

// markName is the function that marks call.
const markName = "rehearsed"

// watch adds marks to a template.
func (b *branches) watch(rule string, t *template.Template) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done == nil {
		b.done = map[string]bool{}
	}
	t.Funcs(template.FuncMap{markName: b.seen})
	b.walk(rule+", "+t.Name(), t.Root)
}

// seen notes that a branch is rendered.
func (b *branches) seen(key string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done[key] = true
	return ""
}

// walk puts marks into a list of nodes. The mutex is held.
func (b *branches) walk(where string, list *parse.ListNode) {
	if list == nil {
		return
	}
	for _, n := range list.Nodes {
		switch n := n.(type) {
		case *parse.IfNode:
			b.fork(where, "if", &n.BranchNode)
		case *parse.WithNode:
			b.fork(where, "with", &n.BranchNode)
		case *parse.RangeNode:
			b.fork(where, "range", &n.BranchNode)
		}
	}
}

func (b *branches) fork(where, word string, n *parse.BranchNode) {
	b.walk(where, n.List)
	b.walk(where, n.ElseList)
	if n.ElseList == nil {
		n.ElseList = &parse.ListNode{NodeType: parse.NodeList, Pos: n.Pos}
	}
	condition := fmt.Sprintf("{{%s %s}}", word, n.Pipe)
	b.mark(n.List, fmt.Sprintf("%s@%d", where, n.Pos), where+": "+condition)
	b.mark(n.ElseList, fmt.Sprintf("%s@%d else", where, n.Pos), where+": else of "+condition)
}

// mark puts a mark at the head of a list.
func (b *branches) mark(list *parse.ListNode, key, name string) {
	text := fmt.Sprintf("{{%s %q}}", markName, key)
	trees, err := parse.Parse("mark", text, "", "", map[string]any{markName: b.seen})
	if err != nil {
		return // a quoted string is a valid argument
	}
	list.Nodes = slices.Insert(list.Nodes, 0, trees["mark"].Root.Nodes[0])
	if !slices.ContainsFunc(b.all, func(p Place) bool { return p.Key == key }) {
		b.all = append(b.all, Place{Key: key, Name: name})
	}
}

// part is what was found out.
func (b *branches) part() Part {
	b.mu.Lock()
	defer b.mu.Unlock()
	slices.SortFunc(b.all, func(x, y Place) int { return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Key, y.Key)) })
	return Part{All: slices.Clone(b.all), Done: b.done}
}

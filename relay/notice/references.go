package notice

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"
	syntax "text/template/parse"
)

// loose finds templates that nothing uses, and uses of such as there are not.
func (t *texts) loose(built *texts, trees map[string]*syntax.Tree) []error {
	var errs []error
	used := map[string]bool{}
	for _, tmpl := range t.templates.Templates() {
		if tmpl.Tree == nil {
			continue
		}
		references(tmpl.Root, func(name string, at syntax.Node) {
			used[name] = true
			if t.templates.Lookup(name) == nil {
				errs = append(errs, fmt.Errorf("%s: there is no template %q; %s", place(tmpl.Tree, at), name, meant(name, names(t.templates))))
			}
		})
	}
	for name, tree := range trees {
		if built.templates.Lookup(name) == nil && !used[name] && !isCausePart(name) {
			errs = append(errs, fmt.Errorf("%s: nothing uses the template %q; %s", place(tree, tree.Root), name,
				meant(name, names(built.templates))))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errs
}

// references finds the names of other templates in a tree.
func references(n syntax.Node, found func(name string, at syntax.Node)) {
	branch := func(b *syntax.BranchNode) {
		references(b.Pipe, found)
		references(b.List, found)
		if b.ElseList != nil {
			references(b.ElseList, found)
		}
	}
	switch n := n.(type) {
	case *syntax.ListNode:
		for _, child := range n.Nodes {
			references(child, found)
		}
	case *syntax.IfNode:
		branch(&n.BranchNode)
	case *syntax.RangeNode:
		branch(&n.BranchNode)
	case *syntax.WithNode:
		branch(&n.BranchNode)
	case *syntax.TemplateNode:
		found(n.Name, n)
	case *syntax.ActionNode:
		references(n.Pipe, found)
	case *syntax.PipeNode:
		for _, c := range n.Cmds {
			references(c, found)
		}
	case *syntax.CommandNode:
		if f, ok := n.Args[0].(*syntax.IdentifierNode); ok && f.Ident == "line" && len(n.Args) > 1 {
			if name, ok := n.Args[1].(*syntax.StringNode); ok {
				found(name.Text, n)
			}
		}
		for _, arg := range n.Args {
			references(arg, found)
		}
	}
}

// isCausePart reports whether name is a text that a cause may have, though none is built in.
func isCausePart(name string) bool {
	cause, part, _ := strings.Cut(name, "/")
	return slices.Contains(causeParts, part) && (isCause(cause) || cause == generic || cause == relayed)
}

// place is file, line and column of a node.
func place(tree *syntax.Tree, n syntax.Node) string {
	at, _ := tree.ErrorContext(n)
	return at
}

// located is an error of a template without the templates around it.
func located(err error) error {
	const prefix = "template: "
	text := err.Error()
	if i := strings.LastIndex(text, prefix); i >= 0 {
		text = text[i+len(prefix):]
	}
	return errors.New(text)
}

// names lists templates.
func names(set *template.Template) []string {
	var list []string
	for _, t := range set.Templates() {
		if t.Name() != set.Name() && !strings.HasSuffix(t.Name(), ".tmpl") {
			list = append(list, t.Name())
		}
	}
	return slices.Sorted(slices.Values(list))
}

// meant says which of some names may have been meant by another: what is between the first and the last difference is short.
func meant(name string, known []string) string {
	for _, k := range known {
		a, b := name, k
		for a != "" && b != "" && a[0] == b[0] {
			a, b = a[1:], b[1:]
		}
		for a != "" && b != "" && a[len(a)-1] == b[len(b)-1] {
			a, b = a[:len(a)-1], b[:len(b)-1]
		}
		if len(a) <= 2 && len(b) <= 2 {
			return fmt.Sprintf("did you mean %q?", k)
		}
	}
	if cause, _, ok := strings.Cut(name, "/"); ok && isCause(cause) {
		return "the texts of a cause are " + strings.Join(causeParts, ", ")
	}
	if len(known) <= 10 {
		return "there are " + strings.Join(known, ", ")
	}
	return "`tlsrelay config notices DIR` writes out those there are"
}

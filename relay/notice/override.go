package notice

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	syntax "text/template/parse"
)

// maxTemplate bounds a file of templates, in bytes.
const maxTemplate = 1 << 20

// LoadTexts gives the built-in texts with those of an operator in their place: templates in DIR/en and DIR/de, in files named
// like the built-in ones (see [WriteTexts]). Every kind of notice is tried out with them. The errors are all that were found,
// each with file and line, and say what to change. No folder, "", means the built-in texts.
func LoadTexts(dir string) (*Texts, error) {
	if dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("templates of notices: %w", err)
	}
	all := &Texts{languages: maps.Clone(builtIn().languages)}
	var changed []*texts
	var errs []error
	for _, e := range entries {
		at := filepath.Join(dir, e.Name())
		l, known := builtIn().languages[e.Name()]
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case !known:
			errs = append(errs, fmt.Errorf("%s: there is no such language; %s", at, meant(e.Name(), slices.Sorted(maps.Keys(builtIn().languages)))))
		default:
			t, problems := l.override(at)
			errs = append(errs, problems...)
			changed, all.languages[l.key] = append(changed, t), t
		}
	}
	if len(errs) == 0 {
		for _, t := range changed {
			errs = append(errs, t.try()...)
		}
	}
	return all, errors.Join(errs...)
}

// override gives the texts of a language with those in a folder in their place.
func (t *texts) override(dir string) (*texts, []error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return t, []error{err}
	}
	own := &texts{language: t.language, templates: template.Must(t.templates.Clone())}
	own.templates.Funcs(own.funcs())
	trees := map[string]*syntax.Tree{} // by name
	var errs []error
	for _, e := range entries {
		at := filepath.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case !slices.Contains(templateFiles(t.key), e.Name()):
			errs = append(errs, fmt.Errorf("%s: there is no such file of templates; %s", at, meant(e.Name(), templateFiles(t.key))))
		default:
			errs = append(errs, own.read(at, trees)...)
		}
	}
	for name, tree := range trees {
		if _, err := own.templates.AddParseTree(name, tree); err != nil {
			errs = append(errs, err)
		}
	}
	return own, append(errs, own.loose(t, trees)...)
}

// read adds what a file defines to trees.
func (t *texts) read(at string, trees map[string]*syntax.Tree) []error {
	text, err := readTemplate(at)
	if err != nil {
		return []error{err}
	}
	set, err := template.New(at).Funcs(t.funcs()).Parse(text)
	if err != nil {
		if err = located(err); !strings.Contains(err.Error(), at) {
			err = fmt.Errorf("%s: %w", at, err)
		}
		return []error{err}
	}
	var errs []error
	for _, tmpl := range set.Templates() {
		first, twice := trees[tmpl.Name()]
		switch {
		case tmpl.Name() == at && syntax.IsEmptyTree(tmpl.Root):
		case tmpl.Name() == at:
			errs = append(errs, fmt.Errorf("%s: there is text outside of {{define}}, which no notice would show", place(tmpl.Tree, tmpl.Root.Nodes[0])))
		case twice:
			errs = append(errs, fmt.Errorf("%s: %q is defined in %s, too; keep one", at, tmpl.Name(), first.ParseName))
		default:
			trees[tmpl.Name()] = tmpl.Tree
		}
	}
	return errs
}

func readTemplate(at string) (string, error) {
	f, err := os.Open(at)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTemplate+1))
	if err == nil && len(text) > maxTemplate {
		err = fmt.Errorf("%s: is larger than 1 MiB, too large for texts of notices", at)
	}
	return strings.TrimPrefix(string(text), "\ufeff"), err
}

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
			errs = append(errs, fmt.Errorf("%s: nothing uses the template %q; %s", place(tree, tree.Root), name, meant(name, names(built.templates))))
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

// templateFiles lists the names of the built-in files of a language.
func templateFiles(language string) []string {
	entries, _ := fs.ReadDir(textFiles, path.Join("text", language)) // it is in the program
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// WriteTexts writes the built-in templates into a folder, in a form that LoadTexts reads. It makes the folder, and writes over
// no file.
func WriteTexts(dir string) error {
	for _, l := range languages {
		if err := os.MkdirAll(filepath.Join(dir, l.key), 0o755); err != nil {
			return err
		}
		for _, name := range templateFiles(l.key) {
			text, err := textFiles.ReadFile(path.Join("text", l.key, name))
			if err != nil {
				return err
			}
			if err := writeNew(filepath.Join(dir, l.key, name), text); err != nil {
				return err
			}
		}
	}
	return nil
}

func writeNew(at string, text []byte) error {
	f, err := os.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already and stays as it is; name a new folder", at)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

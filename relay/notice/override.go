package notice

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
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
			errs = append(errs, fmt.Errorf("%s: there is no such language; %s", at,
				meant(e.Name(), slices.Sorted(maps.Keys(builtIn().languages)))))
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
			errs = append(errs, fmt.Errorf("%s: there is text outside of {{define}}, which no notice would show",
				place(tmpl.Tree, tmpl.Root.Nodes[0])))
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

package help

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"strings"
	"sync"
)

//go:embed page
var files embed.FS

// style is the one style sheet. It stands in each page, and the policy of the page names it by its hash (CSP level 3, 6.7.3.3).
var (
	style     = template.CSS(file("page/style.css"))
	styleHash = hashOf(string(style))
)

func file(name string) string {
	b, err := files.ReadFile(name)
	if err != nil {
		panic(err) // it is part of the program
	}
	return string(b)
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// templates gives those of each language, made once: layout.html calls for the words of en.html or de.html by name, and by
// word for those whose name a topic has.
var templates = sync.OnceValue(func() map[string]*template.Template {
	all := map[string]*template.Template{}
	for _, lang := range []string{"en", "de"} {
		t := template.New(lang).Option("missingkey=error")
		t.Funcs(template.FuncMap{"word": func(name string, v *view) (template.HTML, error) {
			var b strings.Builder
			err := t.ExecuteTemplate(&b, name, v)
			return template.HTML(b.String()), err // escaped by the template
		}})
		all[lang] = template.Must(t.ParseFS(files, "page/layout.html", "page/"+lang+".html"))
	}
	return all
})

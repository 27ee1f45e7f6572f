package notice

import (
	"embed"
	"strings"
	"sync"
	"text/template"
)

//go:embed text
var textFiles embed.FS

// generic is the text key for a cause that has no text of its own.
const generic = "generic"

// relayed is the text key of what is no failure.
const relayed = "relayed"

// texts is the templates of one language. For each cause there are, named "cause/part": what (happened), do (what the
// sender can do), and where it makes sense seen, need (cells of the table) and forward (for the remote's
// administrator).
type texts struct {
	language
	templates *template.Template
}

// allTexts reads the embedded templates, once.
var allTexts = sync.OnceValue(func() map[string]texts {
	all := make(map[string]texts, len(languages))
	for _, l := range languages {
		t := texts{language: l}
		t.templates = template.New(l.key)
		t.templates.Funcs(t.funcs())
		template.Must(t.templates.ParseFS(textFiles, "text/"+l.key+"/*.tmpl"))
		all[l.key] = t
	}
	return all
})

func (t texts) funcs() template.FuncMap {
	return template.FuncMap{
		"table": table, "quote": quote, "size": size, "stamp": stamp, "command": command,
		"date": t.day, "duration": t.duration, "address": t.address, "list": t.list,
		"cause": t.cause, "line": t.line,
		"help": func(g group) string { return helpLink(g.help, g.Key, g.Domain, t.key, g.queueID) },
	}
}

// cause gives the part of a cause's text, each paragraph in one line, however it is broken in the file; "" if the cause has no
// such part.
func (t texts) cause(part string, g group) (string, error) {
	key := g.Key
	if t.templates.Lookup(key+"/what") == nil {
		key = generic
	}
	if t.templates.Lookup(key+"/"+part) == nil {
		return "", nil
	}
	s, err := t.execute(key+"/"+part, g)
	return paragraphs(s), err
}

// line executes a template for one line, however it is broken in the file.
func (t texts) line(name string, data any) (string, error) {
	s, err := t.execute(name, data)
	return strings.Join(strings.Fields(s), " "), err
}

func (t texts) execute(name string, data any) (string, error) {
	var b strings.Builder
	err := t.templates.ExecuteTemplate(&b, name, data)
	return b.String(), err
}

// textsFor gives the texts of the wanted languages that exist, in their order; English if none does.
func textsFor(want []string) []texts {
	var list []texts
	for _, key := range want {
		if t, ok := allTexts()[key]; ok {
			list = append(list, t)
		}
	}
	if list == nil {
		list = append(list, allTexts()["en"])
	}
	return list
}

// body writes the part that people read: the notice in each language, a line between them, and above the first a word
// that others follow.
func (v view) body(list []texts) (string, error) {
	var b strings.Builder
	for i, t := range list {
		s, err := t.execute("notice", v)
		if err != nil {
			return "", err
		}
		if i > 0 {
			b.WriteString("\n" + strings.Repeat("=", columns) + "\n\n")
		} else {
			for _, other := range list[1:] {
				below, err := other.execute("other-language", nil)
				if err != nil {
					return "", err
				}
				b.WriteString(below + "\n\n")
			}
		}
		b.WriteString(fill(s))
	}
	return b.String(), nil
}

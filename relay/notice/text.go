package notice

import (
	"embed"
	"fmt"
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

// causeParts are the texts that a cause can have: a template each, named "cause/part". All causes have the first three: the
// title of a help page, what happened, and what the sender can do. Where it makes sense there are two cells of the table, what was seen
// and what is needed, and what to tell the administrator of the other server.
var causeParts = []string{"title", "what", "do", "seen", "need", "forward"}

// Texts is the words of notices in all languages; nil means the built-in ones. Make it with [LoadTexts].
type Texts struct {
	languages map[string]*texts
}

// texts is the templates of one language.
type texts struct {
	language
	templates *template.Template
}

// builtIn reads the embedded templates, once.
var builtIn = sync.OnceValue(func() *Texts {
	all := &Texts{languages: make(map[string]*texts, len(languages))}
	for _, l := range languages {
		t := &texts{language: l}
		t.templates = template.New(l.key).Funcs(t.funcs())
		template.Must(t.templates.ParseFS(textFiles, "text/"+l.key+"/*.tmpl"))
		all.languages[l.key] = t
	}
	return all
})

// in gives the texts of the wanted languages that exist, in their order; English if none does.
func (t *Texts) in(want []string) []*texts {
	if t == nil {
		t = builtIn()
	}
	var list []*texts
	for _, key := range want {
		if l, ok := t.languages[key]; ok {
			list = append(list, l)
		}
	}
	if list == nil {
		list = append(list, t.languages["en"])
	}
	return list
}

func (t *texts) funcs() template.FuncMap {
	return template.FuncMap{
		"table": table, "quote": quote, "size": size, "stamp": stamp, "command": command,
		"date": t.day, "duration": t.duration, "address": t.address, "list": t.list, "seen": t.sight,
		"cause": t.cause, "line": t.line,
		"help": func(g group) string { return helpLink(g.help, g.Key, g.Domain, t.key, g.queueID) },
	}
}

// cause gives the part of a cause's text, each paragraph in one line, however it is broken in the file; "" if the cause has no
// such part.
func (t *texts) cause(part string, g group) (string, error) {
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

// sight says what was seen.
func (t *texts) sight(seen string) string {
	said, _ := t.seen.say(seen)
	return said
}

// line executes a template for one line, however it is broken in the file.
func (t *texts) line(name string, data any) (string, error) {
	s, err := t.execute(name, data)
	return strings.Join(strings.Fields(s), " "), err
}

func (t *texts) execute(name string, data any) (string, error) {
	var b bounded
	err := t.templates.ExecuteTemplate(&b, name, data)
	return b.String(), err
}

// bounded holds what a template writes, as long as that is a text for people.
type bounded struct{ strings.Builder }

const maxText = 1 << 20

var errLong = fmt.Errorf("the text is longer than %d bytes", maxText)

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxText {
		return 0, errLong
	}
	return b.Builder.Write(p)
}

// write gives the subject and the body of a notice.
func (v view) write(list []*texts) (subject, text string, err error) {
	if text, err = v.body(list); err != nil {
		return "", "", err
	}
	subject, err = list[0].line("subject", v)
	return plain(subject, maxField), text, err
}

// body writes the part that people read: the notice in each language, a line between them, and above the first a word
// that others follow.
func (v view) body(list []*texts) (string, error) {
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
				b.WriteString(harmless(below) + "\n\n")
			}
		}
		b.WriteString(fill(harmless(s)))
	}
	return b.String(), nil
}

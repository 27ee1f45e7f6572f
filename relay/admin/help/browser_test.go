package help

import (
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

var screenshots = flag.String("screenshots", "", "folder for pictures of the help pages in Chromium")

// audit looks at a page in the browser. Contrast is computed as in WCAG 2, 1.4.3, of each text against what lies behind it.
const audit = `
const rgb = c => c.match(/[\d.]+/g).map(Number);
const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
	.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = e => {
	for (; e; e = e.parentElement) {
		const c = rgb(getComputedStyle(e).backgroundColor);
		if (c.length === 3 || c[3] === 1) return c;
		if (c[3] !== 0) return null;
	}
	return [255, 255, 255];
};
const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort(); return (y + 0.05) / (x + 0.05); };
const weak = [];
let texts = 0;
const judge = (e, colour, what) => {
	const ground = behind(e);
	texts++;
	if (!ground || ratio(rgb(colour), ground) < 4.5) weak.push(what + " " + colour + " on " + ground);
};
const broken = [];
const intact = node => { // no short text has more lines than words
	const range = document.createRange();
	range.selectNodeContents(node);
	const lines = new Set([...range.getClientRects()].map(r => Math.round(r.top))).size;
	const text = node.nodeValue.trim();
	if (text.length < 15 && lines > text.split(/[\s\u00a0-]+/).length) broken.push(text);
};
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
	const text = walk.currentNode.nodeValue.trim();
	if (text) intact(walk.currentNode);
	if (text) judge(walk.currentNode.parentElement, getComputedStyle(walk.currentNode.parentElement).color, text.slice(0, 40));
}
for (const e of document.querySelectorAll("td, .mark")) {
	const before = getComputedStyle(e, "::before");
	if (before.content !== "none") judge(e, before.color, "before " + e.textContent.trim().slice(0, 40));
}
const wide = [...document.querySelectorAll("body *")].filter(e => !e.closest(".unseen, .skip, thead"))
	.filter(e => { const r = e.getBoundingClientRect(); return r.width && (r.right > innerWidth + 0.5 || r.left < -0.5) || e.scrollWidth > e.clientWidth + 1 && e.clientWidth && getComputedStyle(e).overflowX !== "visible"; })
	.map(e => e.tagName + "." + e.className);
return {
	weak, wide, broken, texts,
	lang: document.documentElement.lang,
	scripts: document.querySelectorAll("script").length,
	width: document.documentElement.scrollWidth,
	headings: [...document.querySelectorAll("h1, h2, h3, h4")].map(e => Number(e.tagName[1])),
	styled: getComputedStyle(document.querySelector(".masthead")).borderBottomStyle,
	dark: light(rgb(getComputedStyle(document.body).backgroundColor)) < 0.2,
};`

type audited struct {
	Weak, Wide, Broken []string
	Texts, Scripts     int
	Lang               string
	Width              int
	Headings           []int
	Styled             string
	Dark               bool
}

// serve runs the pages on loopback, over the real listener.
func serve(t *testing.T, p *Pages) (base string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	ctx := t.Context() // ends before the cleanups run
	go func() { ended <- p.Serve(ctx, l) }()
	t.Cleanup(func() {
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the server does not stop")
		}
	})
	return "http://" + l.Addr().String()
}

func TestInChromium(t *testing.T) {
	b := startBrowser(t)
	p := testPages(testSettings())
	base := serve(t, p)
	for _, page := range []struct{ name, path string }{
		{"index", "/help/"},
		{"tls-version", "/help/tls-version"},
		{"evidence", "/help/tls-version?domain=old.example"},
		{"repaired", "/help/tls-version?domain=repaired.example"},
		{"certificate", "/help/certificate-expired?domain=expired.example"},
		{"unknown", "/help/starttls-not-offered?domain=nothing.example"},
		{"null-mx", "/help/null-mx"},
		{"missing", "/help/no-such-cause"},
	} {
		for _, lang := range []string{"en", "de"} {
			for _, width := range []int{360, 1280} {
				for _, scheme := range []string{"light", "dark"} {
					name := fmt.Sprintf("%s-%s-%d-%s", page.name, lang, width, scheme)
					p.limits.forgetAll()
					b.screen(width, scheme)
					b.open(withLang(base+page.path, lang))
					b.judge(name, lang, width, scheme == "dark", page.name == "missing")
					if *screenshots != "" {
						if err := os.MkdirAll(*screenshots, 0o755); err != nil {
							t.Fatal(err)
						}
						if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), b.picture(), 0o644); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
		}
	}
}

func withLang(url, lang string) string {
	for _, c := range url {
		if c == '?' {
			return url + "&lang=" + lang
		}
	}
	return url + "?lang=" + lang
}

// judge fails the test for what is wrong with the page that is open.
func (b *browser) judge(name, lang string, width int, dark, missing bool) {
	b.t.Helper()
	var a audited
	b.run(audit, &a)
	if a.Lang != lang || a.Scripts != 0 || a.Width > width || a.Styled != "solid" || a.Dark != dark || a.Texts < 8 {
		b.t.Errorf("%s: language %q, %d scripts, %d pixels wide, border %s, dark %v, %d texts", name, a.Lang, a.Scripts, a.Width, a.Styled, a.Dark, a.Texts)
	}
	if len(a.Weak) > 0 {
		b.t.Errorf("%s: weak contrast: %q", name, a.Weak)
	}
	if len(a.Wide) > 0 {
		b.t.Errorf("%s: stands out of the page: %q", name, a.Wide)
	}
	if len(a.Broken) > 0 {
		b.t.Errorf("%s: words broken in the middle: %q", name, a.Broken)
	}
	for i, level := range a.Headings {
		if i == 0 && level != 1 || i > 0 && (level == 1 || level > a.Headings[i-1]+1) {
			b.t.Errorf("%s: headings %v", name, a.Headings)
			break
		}
	}
	complaints := b.console()
	if missing { // the browser says that it was a 404
		complaints = slices.DeleteFunc(complaints, func(s string) bool { return len(complaints) == 1 })
	}
	if len(complaints) > 0 {
		b.t.Errorf("%s: the browser says %q", name, complaints)
	}
}

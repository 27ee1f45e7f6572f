package configs

func (k check) tls() {
	t := &k.c.TLS
	names := map[string]bool{}
	for i := range t.Domains {
		path := element("tls.domain", i)
		if !k.ok(path) {
			continue
		}
		d := &t.Domains[i]
		k.tlsName(path+".name", d, names)
		if d.Level == "" && d.Floor == "" && k.ok(path+".level", path+".floor") {
			k.problem(path, "says nothing that [tls] does not; set level or floor")
		}
		if d.Level == "" {
			d.Level = t.Level
		}
		if d.Floor == "" {
			d.Floor = t.Floor
		}
		if k.ok("tls.level", "tls.floor", path, path+".level", path+".floor") {
			k.exception(path, d)
		}
	}
}

func (k check) tlsName(path string, d *TLSDomain, known map[string]bool) {
	const advice = `write "example.org", or ".example.org" for all domains below it`
	if !k.given(path, d.Name, advice) {
		return
	}
	name, ok := domainPattern(d.Name)
	switch {
	case d.Name == "*":
		k.problem(path, "\"*\" would be every domain, which is what level and floor in [tls] are for; %s", advice)
	case !ok:
		k.problem(path, "%.60q is not a domain; %s", d.Name, advice)
	case known[name]:
		k.problem(path, "%q has a [[tls.domain]] already; keep one", name)
	}
	known[name] = true
	d.Name = name
}

// exception asks for until and why where d is weaker than the default, and only there for until.
func (k check) exception(path string, d *TLSDomain) {
	const advice = `write until = "YYYY-MM-DD", the last day, and why = "...", the reason`
	var weak, value string
	switch t := k.c.TLS; {
	case d.Level.rank() < t.Level.rank():
		weak, value = ".level", "level = \""+string(d.Level)+"\" is weaker than \""+string(t.Level)+"\""
	case d.Floor < t.Floor:
		weak, value = ".floor", "floor = \""+string(d.Floor)+"\" is lower than \""+string(t.Floor)+"\""
	default:
		if !d.Until.IsZero() && k.ok(path+".until") {
			k.problem(path+".until", "this entry is not weaker than [tls], so it need not end; leave until out")
		}
		return
	}
	if missing := k.missing(path, d); missing != "" {
		k.problem(path+weak, "%s in [tls], and %s; %s", value, missing, advice)
	}
}

// missing says which of until and why an exception lacks.
func (k check) missing(path string, d *TLSDomain) string {
	noUntil, noWhy := d.Until.IsZero() && k.ok(path+".until"), d.Why == "" && k.ok(path+".why")
	switch {
	case noUntil && noWhy:
		return "until and why are missing"
	case noUntil:
		return "until is missing"
	case noWhy:
		return "why is missing"
	}
	return ""
}

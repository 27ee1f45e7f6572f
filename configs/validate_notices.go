package configs

import "strings"

func (k check) notices() {
	k.path(&k.c.Notices.Templates)
	domains, accounts := map[string]string{}, map[string]string{} // to the path of the entry
	for i := range k.c.Notices.Senders {
		path := element("notices.sender", i)
		if !k.ok(path) {
			continue
		}
		s := &k.c.Notices.Senders[i]
		switch account, domain := k.has(path+".account"), k.has(path+".domain"); {
		case account && domain:
			k.problem(path+".account", "this entry has a domain already; write a [[notices.sender]] for each of them")
		case account:
			k.noticeAccount(path+".account", s.Account, accounts)
		case domain:
			k.noticeDomain(path+".domain", s, domains)
		default:
			k.problem(path, `is for nobody; write domain = "example.org" or ".example.org", or account = "shop@example.org"`)
		}
		k.noticeTexts(path, s)
	}
}

func (k check) noticeAccount(path, account string, known map[string]string) {
	if !k.ok(path) {
		return
	}
	if account == "" || len(account) > 255 || strings.ContainsAny(account, "*:") || strings.TrimSpace(account) != account {
		k.problem(path, `%.60q can be no account; write the name of one, such as "shop@example.org"`, account)
		return
	}
	if first, twice := known[strings.ToLower(account)]; twice {
		k.problem(path, "%q has a [[notices.sender]] already, in line %d; keep one", account, k.line(first))
		return
	}
	known[strings.ToLower(account)] = path
}

func (k check) noticeDomain(path string, s *NoticeSender, known map[string]string) {
	if !k.ok(path) {
		return
	}
	name, ok := domainPattern(s.Domain)
	if !ok {
		k.problem(path, `%.60q is not a domain; write "example.org", or ".example.org" for all domains below it`, s.Domain)
		return
	}
	s.Domain = name
	if first, twice := known[name]; twice {
		k.problem(path, "%s has a [[notices.sender]] already, in line %d; keep one", name, k.line(first))
		return
	}
	known[name] = path
}

// noticeTexts judges what an entry sets.
func (k check) noticeTexts(path string, s *NoticeSender) {
	languages, link := path+".languages", path+".help_url"
	switch {
	case !k.has(languages) && !k.has(link):
		k.problem(path, "sets nothing; write languages, help_url, or both")
	case k.has(languages) && k.ok(languages) && len(s.Languages) == 0:
		k.problem(languages, "must not be empty; %s, or leave the key out for the languages of all", English.allowed())
	case k.has(link) && k.ok(link) && s.HelpURL == "":
		k.problem(link, "must not be empty; write an address, or leave the key out for that of all")
	}
	twice(k, languages, s.Languages)
	if why := helpURLProblem(s.HelpURL); why != "" && k.ok(link) {
		k.problem(link, "%s", why)
	}
}

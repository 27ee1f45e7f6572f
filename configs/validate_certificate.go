package configs

func (k check) certificate() {
	cert := &k.c.Certificate
	if k.ok("certificate.cert", "certificate.key") {
		if cert.Cert != "" && cert.Key == "" {
			k.problem("certificate.cert", "needs its key; set key as well, or neither for a self-signed certificate")
		}
		if cert.Cert == "" && cert.Key != "" {
			k.problem("certificate.key", "needs its certificate; set cert as well, or neither for a self-signed certificate")
		}
	}
	k.path(&cert.Cert)
	k.path(&cert.Key)
	k.moreCertificates()
}

// moreCertificates asks for both files of each, and for a first certificate, which clients get that name none of these.
func (k check) moreCertificates() {
	known := map[string]bool{k.c.Certificate.Cert: true}
	for i := range k.c.Certificate.More {
		path := element("certificate.more", i)
		if !k.ok(path) {
			continue
		}
		m := &k.c.Certificate.More[i]
		k.fileName(path+".cert", m.Cert)
		k.fileName(path+".key", m.Key)
		k.path(&m.Cert)
		k.path(&m.Key)
		switch {
		case !k.ok("certificate.cert", path+".cert"):
		case k.c.Certificate.Cert == "":
			k.problem(path, "needs a first certificate, for clients that ask for none of these names; set cert and key in [certificate]")
		case known[m.Cert]:
			k.problem(path+".cert", "%.60q is in use already; name each certificate once", m.Cert)
		}
		known[m.Cert] = true
	}
}

// fileName wants the name of a file.
func (k check) fileName(path, name string) {
	const advice = `write the name of a PEM file`
	if k.given(path, name, advice) && name == "" {
		k.problem(path, "must not be empty; %s", advice)
	}
}

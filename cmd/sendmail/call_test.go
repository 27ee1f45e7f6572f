package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseCall(t *testing.T) {
	sender := func(s string) *string { return &s }
	for args, want := range map[string]call{
		"a@b":                           {recipients: []string{"a@b"}},
		"-t -i":                         {readHeader: true, ignoreDots: true},
		"-ti":                           {readHeader: true, ignoreDots: true},
		"-oi -t":                        {readHeader: true, ignoreDots: true},
		"-o i -t":                       {readHeader: true, ignoreDots: true},
		"-tfx@y":                        {readHeader: true, sender: sender("x@y")},
		"-tf x@y":                       {readHeader: true, sender: sender("x@y")},
		"-f x@y a@b":                    {recipients: []string{"a@b"}, sender: sender("x@y")},
		"a@b -fx@y c@d":                 {recipients: []string{"a@b", "c@d"}, sender: sender("x@y")},
		"-r x@y -- -t a@b":              {recipients: []string{"-t", "a@b"}, sender: sender("x@y")},
		"-F Name a@b":                   {recipients: []string{"a@b"}, fullName: "Name"},
		"-Nnever -RHDRS -Vx+1 a":        {recipients: []string{"a"}, notify: "NEVER", ret: "HDRS", envid: "x+2B1"},
		"-N success,DELAY -R full a":    {recipients: []string{"a"}, notify: "SUCCESS,DELAY", ret: "FULL"},
		"-O TempFail=69 -t":             {readHeader: true, tempFail: 69},
		"-O DeliveryMode=b -t":          {readHeader: true},
		"-bs":                           {mode: speakSMTP},
		"-bp":                           {mode: listQueue},
		"-bm a":                         {recipients: []string{"a"}},
		"-q":                            {mode: nothing},
		"-q30m":                         {mode: nothing},
		"-bi":                           {mode: nothing},
		"-I":                            {mode: nothing},
		"-oem -oep -oeq -odi -odb -t":   {readHeader: true},
		"-odq -om -oA/x -oo -em -e q a": {recipients: []string{"a"}},
		"-B8BITMIME -B 7BIT -C /x -t":   {readHeader: true},
		"-h 5 -L tag -n -x -v -U -t":    {readHeader: true},
		"-d0.1 -G -Am -X /log -m -c -t": {readHeader: true},
		"-p ESMTP:host -t":              {readHeader: true},
	} {
		got, err := parseCall("sendmail", strings.Fields(args))
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(call{})); err != nil || diff != "" {
			t.Errorf("%s: %v %s", args, err, diff)
		}
	}
	for name, want := range map[string]mode{"mailq": listQueue, "newaliases": nothing, "runq": nothing} {
		if got, err := parseCall(name, nil); err != nil || got.mode != want {
			t.Errorf("%s: mode %d, %v", name, got.mode, err)
		}
	}
}

func TestUsage(t *testing.T) {
	for args, says := range map[string]string{
		"":                  "no recipients",
		"-f":                "-f needs a value",
		"-f a@b":            "no recipients",
		"-Z a":              "unknown flag -Z",
		"-tZ":               "unknown flag -Z",
		"--help":            "unknown flag --",
		"-bd":               "tlsrelay serve",
		"-bt":               "not known here",
		"-N sometimes a":    "-N wants",
		"-N never,delay a":  "-N wants",
		"-N delay,delay a":  "-N wants",
		"-R all a":          "-R wants",
		"-V ä a":            "-V wants",
		"-O TempFail=0 a":   "from 1 to 255",
		"-O TempFail=256 a": "from 1 to 255",
	} {
		got := callAt("/nonexistent/s.sock", strings.NewReader("\nhi\n"), strings.Fields(args)...)
		if got.code != exitUsage || !strings.Contains(got.err, says) || strings.Count(got.err, "\n") != 1 {
			t.Errorf("%q: %+v, want %q", args, got, says)
		}
	}
}

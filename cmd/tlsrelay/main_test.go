package main

import (
	"net"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tlsrelay": main})
}

// TestScripts runs the commands as an operator would. BUSY is an address at which something else listens.
func TestScripts(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { busy.Close() }) // not defer: the scripts run in parallel, after this function
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// envsubst FILE replaces ${NAME} in a file.
			"envsubst": func(ts *testscript.TestScript, _ bool, args []string) {
				text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
			},
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("BUSY", busy.Addr().String())
			e.Setenv("XDG_STATE_HOME", e.WorkDir+"/state")
			return os.Mkdir(e.WorkDir+"/data", 0o700)
		},
	})
}

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
		Cmds:                scriptCommands,
		Setup: func(e *testscript.Env) error {
			e.Values[scriptRelayKey{}] = &runningRelay{}
			e.Setenv("BUSY", busy.Addr().String())
			e.Setenv("XDG_STATE_HOME", e.WorkDir+"/state")
			return os.Mkdir(e.WorkDir+"/data", 0o700)
		},
	})
}

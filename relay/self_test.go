package relay

import (
	"fmt"
	"testing"

	"tlsrelay/configs"
)

func TestSelf(t *testing.T) {
	cfg := &configs.Config{Hostname: "relay.test"}
	for _, address := range []string{"127.0.0.1:2525", ":25", "0.0.0.0:587", "[2001:db8::1]:465", "unix:/run/tlsrelay/s.sock"} {
		cfg.Listeners = append(cfg.Listeners, configs.Listener{Address: address})
	}
	me := selfOf(cfg)
	const want = "[127.0.0.1:2525 [::]:25 0.0.0.0:587 [2001:db8::1]:465]"
	if got := fmt.Sprint(me.listeners); got != want || me.hostname != "relay.test" {
		t.Errorf("%q at %s, want %s", me.hostname, got, want)
	}
}

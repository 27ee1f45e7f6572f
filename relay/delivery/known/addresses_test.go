package known

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	one = netip.MustParseAddrPort("192.0.2.1:25")
	two = netip.MustParseAddrPort("[2001:db8::2]:25")
)

// about reports whether a time is as long as wanted, give or take what pauses are spread by.
func about(got, want time.Duration) bool {
	slack := time.Duration(float64(want)*spread) + time.Second
	return got >= want-slack && got <= want+slack
}

// rests measures how long the address is dead from now on, to the second, and leaves the trial.
func rests(a *Addresses, addr netip.AddrPort) time.Duration {
	begin := time.Now()
	for !a.Alive(addr) {
		time.Sleep(time.Second)
	}
	a.Left(addr)
	return time.Since(begin)
}

func TestPausesGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(time.Now)
		for i, want := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute, 10 * time.Minute} {
			a.Failed(one)
			if got := rests(a, one); !about(got, want) {
				t.Errorf("failure %d: pause of %v, want %v", i+1, got, want)
			}
		}
		a.Connected(one)
		if got := rests(a, one); got != 0 {
			t.Errorf("dead for %v although it is alive", got)
		}
		a.Failed(one)
		if got := rests(a, one); !about(got, 30*time.Second) {
			t.Errorf("pause of %v after a success", got)
		}
		a.Failed(one)
		time.Sleep(3 * time.Hour)
		a.Failed(one)
		if got := rests(a, one); !about(got, 30*time.Second) {
			t.Errorf("pause of %v for a failure long after", got)
		}
	})
}

func TestSteps(t *testing.T) {
	for name, tc := range map[string]struct{ steps, want string }{
		// f failed, c connected, l left, s and m sleep 50 s and 2 minutes, ? asks whether it is alive
		"unknown":                      {"??", "yy"},
		"dead":                         {"f??", "nn"},
		"one trial after the pause":    {"fs???", "ynn"},
		"a trial that failed":          {"fs?f?s?s?", "ynny"},
		"a trial that was left":        {"fs?l??", "yyn"},
		"a trial that went well":       {"fs?c??", "yyy"},
		"a trial that never ends":      {"fs??m??", "ynyn"},
		"failures at the same time":    {"ffff?s?", "ny"},
		"left when there is no trial":  {"fl?", "n"},
		"connected in spite of it":     {"fc??", "yy"},
		"connected to an unknown one":  {"c?", "y"},
		"left an unknown one":          {"l?", "y"},
		"a failure after a success":    {"fcf?s?", "ny"},
		"failed in spite of the pause": {"ff?s?", "ny"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := New(time.Now)
				var got strings.Builder
				for _, step := range tc.steps {
					switch step {
					case 'f':
						a.Failed(one)
					case 'c':
						a.Connected(one)
					case 'l':
						a.Left(one)
					case 's':
						time.Sleep(50 * time.Second)
					case 'm':
						time.Sleep(2 * time.Minute)
					case '?':
						got.WriteByte(map[bool]byte{true: 'y', false: 'n'}[a.Alive(one)])
					}
				}
				if got.String() != tc.want {
					t.Errorf("%s: alive %s, want %s", tc.steps, got.String(), tc.want)
				}
				if !a.Alive(two) {
					t.Error("another address is dead")
				}
			})
		})
	}
}

func TestSmallHello(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(time.Now)
		if a.SmallHello(one) {
			t.Error("known before it was learnt")
		}
		if !a.LearnSmallHello(one) || a.LearnSmallHello(one) {
			t.Error("news once, and no more")
		}
		a.Failed(one)
		a.Connected(one) // which must not forget it
		if !a.SmallHello(one) || a.SmallHello(two) {
			t.Error("known of the wrong one")
		}
		time.Sleep(helloTime - time.Second)
		if !a.SmallHello(one) {
			t.Error("forgotten too early")
		}
		time.Sleep(2 * time.Second)
		if a.SmallHello(one) {
			t.Error("known for too long")
		}
		if !a.LearnSmallHello(one) {
			t.Error("no news after a day")
		}
		a.ForgetSmallHello(one)
		a.ForgetSmallHello(two)
		if a.SmallHello(one) || a.recent.Len() != 0 || len(a.byAddr) != 0 {
			t.Errorf("not forgotten: %d, %d", a.recent.Len(), len(a.byAddr))
		}
		a.Failed(one)
		a.LearnSmallHello(one)
		a.ForgetSmallHello(one)
		if a.Alive(one) {
			t.Error("its death is forgotten with it")
		}
	})
}

func nth(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 25)
}

func TestBounds(t *testing.T) {
	a := New(time.Now)
	for i := range maxAddresses + 100 {
		a.Failed(nth(i))
		a.LearnSmallHello(nth(0)) // always news of this one
	}
	if len(a.byAddr) != maxAddresses || a.recent.Len() != maxAddresses {
		t.Errorf("%d and %d addresses", len(a.byAddr), a.recent.Len())
	}
	if a.Alive(nth(maxAddresses+99)) || !a.SmallHello(nth(0)) {
		t.Error("the latest news are forgotten")
	}
	if !a.Alive(nth(1)) {
		t.Error("the oldest is kept")
	}
	for i := range maxAddresses + 100 {
		a.Connected(nth(i))
	}
	if len(a.byAddr) != 1 || a.recent.Len() != 1 {
		t.Errorf("%d and %d addresses of which nothing is known", len(a.byAddr), a.recent.Len())
	}
}

// Among many who ask at the same time one has the trial.
func TestOneTrialAmongMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(time.Now)
		a.Failed(one)
		time.Sleep(time.Minute)
		var yes int
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if a.Alive(one) {
					mu.Lock()
					yes++
					mu.Unlock()
				}
				a.SmallHello(one)
				a.Connected(two)
			})
		}
		all.Wait()
		if yes != 1 {
			t.Errorf("%d trials", yes)
		}
	})
}

func BenchmarkAlive(b *testing.B) {
	a := New(time.Now)
	for i := range maxAddresses {
		a.Failed(nth(i))
	}
	for name, addr := range map[string]netip.AddrPort{"unknown": one, "dead": nth(17)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a.Alive(addr)
			}
		})
	}
}

package account

import (
	"strings"
	"testing"
)

// The test vectors of the specification, https://www.akkadia.org/drepper/SHA-crypt.txt. Where a salt is too long or the
// rounds are too few there, this is what comes out of it.
func TestSHA512CryptVectors(t *testing.T) {
	for _, tc := range []struct{ password, hash string }{
		{"Hello world!", "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"},
		{"Hello world!", "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v."},
		{"This is just a test", "$6$rounds=5000$toolongsaltstrin$lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl8audkUEm0"},
		{"a very much longer text to encrypt.  This one even stretches over morethan one line.", "$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1"},
		{"we have a short salt string but not a short password", "$6$rounds=77777$short$WuQyW2YR.hBNpjjRhpYD/ifIw05xdfeEyQoMxIXbkvr0gge1a1x3yRULJ5CCaUeOxFmtlcGZelFl5CxtgfiAc0"},
		{"a short string", "$6$rounds=123456$asaltof16chars..$BtCwjqMJGx5hrJhZywWvt0RLE8uZ4oPwcelCjmw2kSYu.Ec6ycULevoBK25fs2xXgMNrCzIMVcgEJAstJeonj1"},
		{"the minimum number is still observed", "$6$rounds=1000$roundstoolow$kUMsbe306n21p9R.FRkW3IGn.S9NPN0x50YhH1xhLsPuWGsUSklZt58jaTfF4ZEQpyUNGc0dqbpBYYBaHHrsX."},
	} {
		h, err := parseHash(tc.hash)
		if err != nil {
			t.Errorf("%s: %v", tc.hash, err)
			continue
		}
		if !h.matches(tc.password) || h.matches(tc.password+"x") || h.matches("") || h.String() != tc.hash || h.kind() != "sha512-crypt" {
			t.Errorf("%s is not taken for what it is", tc.hash)
		}
	}
}

func TestSHA512CryptEdges(t *testing.T) {
	for _, password := range []string{"", "x", strings.Repeat("p", 63), strings.Repeat("p", 64), strings.Repeat("p", 65), strings.Repeat("p", maxPassword)} {
		key := sha512CryptKey([]byte(password), nil, minRounds)
		h, err := parseHash("$6$rounds=1000$$" + key)
		if err != nil || !h.matches(password) || h.matches(password+"q") {
			t.Errorf("password of %d bytes: %v", len(password), err)
		}
	}
}

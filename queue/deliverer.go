package queue

import "context"

// Deliverer knows the ways that mail takes, and makes attempts on them. The scheduler runs workers: each has a lane of its own
// to one site, and brings it job after job. The methods may be called from many goroutines at once, those of one Lane not.
type Deliverer interface {
	// Site gives the site of a destination if that is known without asking anybody. It is called for each job that comes due,
	// and must not take longer than a look into a map. false: Resolve has to find out.
	Site(destination string) (Site, bool)

	// Resolve finds the site of a destination, and may take its time. A destination whose way cannot be found has a site of
	// its own, at which an attempt will say what is wrong.
	Resolve(ctx context.Context, destination string) Site

	// Open makes a lane for a worker.
	Open() Lane
}

// Site is the way that mail for some destinations takes: to the same hosts, on the same terms. What one message meets there
// all others would.
type Site struct {
	Name      string
	Workers   int // the most at once, each with one connection; at least 1
	PerMinute int // attempts a minute; 0: no limit
}

// Lane makes attempts, one after the other. It may keep a connection between them.
type Lane interface {
	// Deliver makes one attempt. It returns soon after ctx ends; what it had not finished then is deferred. It may call next,
	// once, when it is about to need the job that it will be given after this one: then next gives that job, or false if there
	// is none yet.
	Deliver(ctx context.Context, job Job, next func() (Job, bool)) Report

	// Close gives up what the lane keeps.
	Close()
}

// Report is what one attempt came to.
type Report struct {
	Outcomes []Outcome  // one for each of the job's recipients, in their order
	Evidence []Evidence // one for each address of a host at which the attempt failed over TLS
	Site     Health     // what the attempt showed of the site
}

// Health is what an attempt showed of its site.
type Health uint8

const (
	HealthUnknown Health = iota // nothing: it did not come that far, or met trouble of its own
	HealthGood                  // a host spoke about the mail, whatever it said
	HealthBad                   // no host could be used, and other mail would fare the same; the outcomes say why
)

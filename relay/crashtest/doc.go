// Package crashtest runs the program as a process of its own and treats it badly: SIGKILL at any moment, power cuts under
// its disk, a disk that is full, single system calls that fail. It has tests alone, and sees of the program what an operator
// sees: its command line, SMTP on both sides, its log, its exit code.
//
// Every test keeps books on each mail: that a client was told 250, that a mail host got it and whether its text was whole,
// that its sender got a notice, that the relay lists it as queued. After each crash what was acknowledged must be found
// somewhere, and nothing may have come twice unless a crash interrupted its delivery.
//
// Most tests need root, for disk images in loop mounts, and Linux 5.19 or newer, for system calls that fail on demand. A
// test that lacks something is skipped; with CI=true in the environment it fails.
package crashtest

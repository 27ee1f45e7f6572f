package spool

import "testing"

// hookFS calls before ahead of each creation of a file, and removing, if it is set, ahead of each removal.
type hookFS struct {
	FS
	before   func(name string)
	removing func(name string)
}

type hookDir struct {
	Dir
	fs *hookFS
}

func (f *hookFS) OpenDir(name string) (Dir, error) {
	d, err := f.FS.OpenDir(name)
	return &hookDir{d, f}, err
}

func (d *hookDir) Remove(name string) error {
	if d.fs.removing != nil {
		d.fs.removing(name)
	}
	return d.Dir.Remove(name)
}

func (d *hookDir) Create(name string) (File, error) {
	d.fs.before(name)
	return d.Dir.Create(name)
}

// openHooked opens a store on m that calls before ahead of each creation of a file.
func openHooked(t *testing.T, m *memFS, before func(name string)) *Store {
	t.Helper()
	opts := m.opts
	opts.FS = &hookFS{FS: m, before: before}
	s, err := Open("mem", opts)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

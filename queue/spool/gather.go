package spool

// gather makes few writes of many small pieces.
type gather struct {
	file  File
	off   int64 // where the next write goes
	buf   []byte
	limit int // bytes gathered for one write
}

func (g *gather) add(b []byte) error {
	if len(g.buf)+len(b) > g.limit {
		if err := g.flush(); err != nil {
			return err
		}
	}
	if len(b) > g.limit {
		_, err := g.file.WriteAt(b, g.off)
		g.off += int64(len(b))
		return err
	}
	g.buf = append(g.buf, b...)
	return nil
}

func (g *gather) flush() error {
	if len(g.buf) == 0 {
		return nil
	}
	n, err := g.file.WriteAt(g.buf, g.off)
	g.off += int64(n)
	g.buf = g.buf[:0]
	return err
}

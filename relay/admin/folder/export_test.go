package folder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tlsrelay/queue"
	"tlsrelay/relay/admin"
)

var ctx = context.Background()

// fakeQueue has messages 1 to n, with faults on demand.
type fakeQueue struct {
	admin.Queue
	n       queue.ID
	content map[queue.ID]func(io.Writer) error // in place of the text
	broken  error                              // what the list ends with
	asked   []queue.ID                         // for their texts
}

func textOf(id queue.ID) string { return fmt.Sprintf("Subject: %d\r\n\r\n.\r\nBöse\r\n", id) }

func messageOf(id queue.ID) admin.Message {
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	return admin.Message{
		ID: id, Sender: "a@app.test", Size: int64(len(textOf(id))), Arrived: at, Expires: at.Add(72 * time.Hour), EightBit: true,
		Recipients: []admin.Recipient{{Address: "x@one.test", State: "queued", TLSFailed: true}},
	}
}

func (q *fakeQueue) List(_ context.Context, _ admin.Selection, fn func(admin.Message) error) error {
	for id := range q.n {
		if err := fn(messageOf(id + 1)); err != nil {
			return err
		}
	}
	return q.broken
}

func (q *fakeQueue) Content(_ context.Context, id queue.ID, w io.Writer) error {
	q.asked = append(q.asked, id)
	if instead := q.content[id]; instead != nil {
		return instead(w)
	}
	_, err := io.WriteString(w, textOf(id))
	return err
}

// all is what each told of.
type all []Exported

func (a *all) add(e Exported) error { *a = append(*a, e); return nil }

// wantFiles checks that dir holds these files and no others; "" stands for any content.
func wantFiles(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, known := want[e.Name()]
		if !known {
			t.Errorf("there is a file %s", e.Name())
			continue
		}
		got, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil || text != "" && string(got) != text {
			t.Errorf("%s: %q, %v; want %q", e.Name(), got, err, text)
		}
		if info, err := e.Info(); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: mode %v, %v", e.Name(), info.Mode(), err)
		}
		delete(want, e.Name())
	}
	for name := range want {
		t.Errorf("there is no file %s", name)
	}
}

func name(id queue.ID, suffix string) string { return id.String() + suffix }

func TestExport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "backup", "queue")
	var told all
	sum, err := Export(ctx, &fakeQueue{n: 2}, admin.Selection{All: true}, dir, told.add)
	if err != nil || sum != (Summary{Messages: 2, Bytes: 2 * int64(len(textOf(1)))}) {
		t.Fatalf("%+v, %v", sum, err)
	}
	wantFiles(t, dir, map[string]string{
		name(1, ".eml"): textOf(1), name(1, ".json"): "", name(2, ".eml"): textOf(2), name(2, ".json"): "",
	})
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, %v", info.Mode(), err)
	}
	if len(told) != 2 || told[1] != (Exported{ID: 2, File: name(2, ".eml"), Size: int64(len(textOf(2)))}) {
		t.Errorf("told of %+v", told)
	}
	envelope, err := os.ReadFile(filepath.Join(dir, name(2, ".json")))
	if want, _ := json.Marshal(messageOf(2)); err != nil || string(envelope) != string(want)+"\n" {
		t.Errorf("envelope %s, %v", envelope, err)
	}
}

// What cannot be read whole never looks like a message, and keeps no other from being written.
func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	damage := func(text string) func(io.Writer) error {
		return func(w io.Writer) error {
			io.WriteString(w, text)
			return &admin.IDError{ID: 1, Err: errors.New("a hole in the disk")}
		}
	}
	q := &fakeQueue{n: 6, content: map[queue.ID]func(io.Writer) error{
		1: damage("Subj"),
		2: damage(""),
		3: func(w io.Writer) error { _, err := io.WriteString(w, "Sub"); return err }, // the store was wrong about it
		4: func(io.Writer) error { return &admin.IDError{ID: 4, Err: queue.ErrGone} },
		5: func(w io.Writer) error { io.WriteString(w, "Subject"); return queue.ErrGone },
	}}
	var told all
	sum, err := Export(ctx, q, admin.Selection{All: true}, dir, told.add)
	if err != nil || sum != (Summary{Messages: 1, Bytes: int64(len(textOf(6))), Damaged: 3}) {
		t.Fatalf("%+v, %v", sum, err)
	}
	wantFiles(t, dir, map[string]string{
		name(1, ".eml.damaged"): "Subj", name(1, ".json"): "",
		name(2, ".json"):        "",
		name(3, ".eml.damaged"): "Sub", name(3, ".json"): "",
		name(6, ".eml"): textOf(6), name(6, ".json"): "",
	})
	size := int64(len(textOf(1)))
	want := all{
		{1, name(1, ".eml.damaged"), size, "a hole in the disk"},
		{2, "", size, "a hole in the disk"},
		{3, name(3, ".eml.damaged"), size, fmt.Sprintf("the text has 3 bytes, the envelope says %d", size)},
		{6, name(6, ".eml"), size, ""},
	}
	if fmt.Sprint(told) != fmt.Sprint(want) {
		t.Errorf("told of %+v\nwant %+v", told, want)
	}
}

// smallDisk is a folder that has room for some more bytes.
type smallDisk struct {
	folder
	room int
}

func (d *smallDisk) Create(name string) (io.WriteCloser, error) {
	f, err := d.folder.Create(name)
	return &smallFile{f, d}, err
}

type smallFile struct {
	io.WriteCloser
	disk *smallDisk
}

func (f *smallFile) Write(p []byte) (int, error) {
	fits := p[:min(len(p), f.disk.room)]
	f.disk.room -= len(fits)
	n, err := f.WriteCloser.Write(fits)
	if err == nil && n < len(p) {
		err = syscall.ENOSPC
	}
	return n, err
}

func open(t *testing.T, dir string) *osFolder {
	t.Helper()
	f, err := openFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// Wherever the disk is full, all that looks finished is, and a second run does the rest.
func TestDiskFull(t *testing.T) {
	const n = 3
	for room := 0; ; room += 3 {
		dir := t.TempDir()
		f := open(t, dir)
		_, err := export(ctx, &fakeQueue{n: n}, admin.Selection{All: true}, &smallDisk{f, room}, new(all).add)
		f.Close()
		if err == nil {
			if room < n*len(textOf(1)) {
				t.Fatalf("%d bytes were enough", room)
			}
			return
		}
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "run the same command again") {
			t.Fatalf("with room for %d bytes: %v", room, err)
		}
		whole := map[queue.ID]bool{}
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			id, err := queue.ParseID(strings.TrimSuffix(e.Name(), ".eml"))
			text, _ := os.ReadFile(filepath.Join(dir, e.Name()))
			whole[id] = err == nil && string(text) == textOf(id)
			if !whole[id] && e.Name() != marker && !strings.HasSuffix(e.Name(), ".json") {
				t.Errorf("with room for %d bytes there is %s: %q", room, e.Name(), text)
			}
		}
		again := &fakeQueue{n: n}
		sum, err := Export(ctx, again, admin.Selection{All: true}, dir, new(all).add)
		if err != nil || sum.Messages != n {
			t.Fatalf("second run: %+v, %v", sum, err)
		}
		want := map[string]string{}
		for id := queue.ID(1); id <= n; id++ {
			want[name(id, ".eml")], want[name(id, ".json")] = textOf(id), ""
		}
		wantFiles(t, dir, want)
		for _, id := range again.asked {
			if whole[id] {
				t.Errorf("with room for %d bytes: message %d was whole and is read again", room, id)
			}
		}
	}
}

// A run that died may leave anything: what is not whole is written again, what is somebody else's stays.
func TestGoesOn(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	f.Close()
	for file, text := range map[string]string{
		name(1, ".eml"): "", name(1, ".json"): "", // names without content, after a power cut
		name(2, ".eml.part"):      "Subj",
		name(3, ".eml.damaged"):   "Subj",
		name(4, ".json.part"):     "{",
		name(9, ".eml"):           textOf(9), // ended since
		"holiday.part":            "mine",
		"notes.txt":               "mine",
		name(2, ".eml.part.mine"): "mine",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Export(ctx, &fakeQueue{n: 4}, admin.Selection{All: true}, dir, new(all).add); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{name(9, ".eml"): textOf(9), "holiday.part": "mine", "notes.txt": "mine", name(2, ".eml.part.mine"): "mine"}
	for id := queue.ID(1); id <= 4; id++ {
		want[name(id, ".eml")], want[name(id, ".json")] = textOf(id), ""
	}
	wantFiles(t, dir, want)
}

// watchedFolder notes what is done.
type watchedFolder struct {
	folder
	done []string
}

func (f *watchedFolder) Rename(from, to string) error {
	f.done = append(f.done, filepath.Ext(to))
	return f.folder.Rename(from, to)
}

func (f *watchedFolder) Sync() error {
	f.done = append(f.done, "sync")
	return f.folder.Sync()
}

func (f *watchedFolder) Finish() error {
	f.done = append(f.done, "finish")
	return f.folder.Finish()
}

// Syncs are few: one for many bytes, and the last one when all is written. A text is complete before its envelope.
func TestSyncs(t *testing.T) {
	f := &watchedFolder{folder: open(t, t.TempDir())}
	large := func(w io.Writer) error {
		block := make([]byte, 1<<20)
		for range syncEvery / len(block) {
			if _, err := w.Write(block); err != nil {
				return err
			}
		}
		return &admin.IDError{Err: errors.New("not the text")}
	}
	q := &fakeQueue{n: 3, content: map[queue.ID]func(io.Writer) error{2: large}}
	if _, err := export(ctx, q, admin.Selection{All: true}, f, new(all).add); err != nil {
		t.Fatal(err)
	}
	want := ".eml .json .damaged sync .json .eml .json finish"
	if got := strings.Join(f.done, " "); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestNotFinished(t *testing.T) {
	for _, tt := range []struct {
		what     string
		q        fakeQueue
		each     error
		finished bool
	}{
		{"the relay stops in the list", fakeQueue{n: 2, broken: io.ErrUnexpectedEOF}, nil, false},
		{"the relay stops in a text", fakeQueue{n: 2, content: map[queue.ID]func(io.Writer) error{
			2: func(w io.Writer) error { io.WriteString(w, "Subj"); return io.ErrUnexpectedEOF },
		}}, nil, false},
		{"nobody reads what is told", fakeQueue{n: 2}, syscall.EPIPE, false},
		{"an ID is not in the queue", fakeQueue{n: 2, broken: &admin.IDError{ID: 9, Err: queue.ErrGone}}, nil, true},
	} {
		dir := t.TempDir()
		_, err := Export(ctx, &tt.q, admin.Selection{}, dir, func(Exported) error { return tt.each })
		if err == nil || strings.Contains(err.Error(), "not finished") == tt.finished {
			t.Errorf("%s: %v", tt.what, err)
		}
		if _, err := os.Stat(filepath.Join(dir, marker)); os.IsNotExist(err) != tt.finished {
			t.Errorf("%s: %s: %v", tt.what, marker, err)
		}
		if parts, _ := filepath.Glob(filepath.Join(dir, "*.part")); len(parts) > 0 {
			t.Errorf("%s: left %v", tt.what, parts)
		}
	}
}

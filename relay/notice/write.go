package notice

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// templateFiles lists the names of the built-in files of a language.
func templateFiles(language string) []string {
	entries, _ := fs.ReadDir(textFiles, path.Join("text", language)) // it is in the program
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// WriteTexts writes the built-in templates into a folder, in a form that LoadTexts reads. It makes the folder, and writes over
// no file.
func WriteTexts(dir string) error {
	for _, l := range languages {
		if err := os.MkdirAll(filepath.Join(dir, l.key), 0o755); err != nil {
			return err
		}
		for _, name := range templateFiles(l.key) {
			text, err := textFiles.ReadFile(path.Join("text", l.key, name))
			if err != nil {
				return err
			}
			if err := writeNew(filepath.Join(dir, l.key, name), text); err != nil {
				return err
			}
		}
	}
	return nil
}

func writeNew(at string, text []byte) error {
	f, err := os.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already and stays as it is; name a new folder", at)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

package notify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Files is a folder that letters are put into, one .eml file each, which every mail program opens. Their names sort by the
// instant at which there was something to tell. A file is there with all of its bytes or not at all; what begins with a dot and
// ends in .tmp was left behind by a crash and may be deleted.
type Files struct {
	dir string
}

var _ = register(channelKind{
	schemes: []string{"file"},
	usage:   "file:FOLDER: each mail as an .eml file",
	people:  true,
	open: func(address string, _ Setting) (Channel, error) {
		return NewFiles(strings.TrimPrefix(strings.TrimPrefix(address, "file:"), "//"))
	},
})

// NewFiles makes a channel of the folder dir, which is made, for this user's eyes only, if it is not there. A folder that is
// there keeps its permissions.
func NewFiles(dir string) (*Files, error) {
	if dir == "" {
		return nil, errors.New("folder for notices: none is given")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder for notices: %w", err)
	}
	return &Files{dir}, nil
}

// Send writes l.Message to its file. Sending the same letter again writes the same file again. Each error is the folder's, and no
// letter's: disks get emptied and permissions mended.
func (f *Files) Send(ctx context.Context, l lifecycle.Letter) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := replaceFile(f.dir, fileName(&l), l.Message); err != nil {
		return fmt.Errorf("put notice %s into a file: %w; see that the folder exists, has room and may be written to: %w", l.NoticeID, err, lifecycle.ErrUnavailable)
	}
	return nil
}

// fileName is the same for the same letter, and safe whatever the letter says.
func fileName(l *lifecycle.Letter) string {
	due := l.Due.UTC().Format("20060102T150405.000000Z")
	return fmt.Sprintf("%s-%s-%s.eml", due, l.NoticeID, atom(string(l.Kind)))
}

// replaceFile writes the file under another name first and moves it when it is safely on disk, so that no reader and no crash
// ever sees a part of it.
func replaceFile(dir, name string, content []byte) (err error) {
	tmp, err := os.CreateTemp(dir, "."+name+"-*.tmp") // for this user's eyes only
	if errors.Is(err, fs.ErrNotExist) {               // somebody tidied up while we were running
		if err = os.MkdirAll(dir, 0o700); err == nil {
			tmp, err = os.CreateTemp(dir, "."+name+"-*.tmp")
		}
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, remove(tmp.Name()))
		}
	}()
	_, err = tmp.Write(content)
	if err == nil {
		err = tmp.Sync()
	}
	if closed := tmp.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	return syncFolder(dir)
}

// remove takes away a temporary file, which may have been moved or have vanished with its folder.
func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncFolder makes a rename outlive a power cut.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be synced there, and need not be
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

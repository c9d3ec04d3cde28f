package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// A source is a file that can be read more than once.
type source struct {
	name  string
	size  int64
	shape Shape
	open  func() (io.ReadSeekCloser, error)
	close func() error // gives up what is kept of it between readings
}

// Stdin is the name that stands for standard input.
const Stdin = "-"

// openSource finds the file called name. What cannot be read twice (standard input, a pipe) is spooled: copied into a
// temporary file, which goes away with close.
func openSource(ctx context.Context, name string, stdin io.Reader, tempDir string) (*source, error) {
	if name == Stdin {
		if stdin == nil {
			return nil, &FileError{File: name, Why: "there is no standard input here", Next: "name a file"}
		}
		return spool(ctx, "standard input", stdin, tempDir)
	}
	stat, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, cannotOpen(name, err)
	case stat.IsDir():
		return nil, &FileError{File: name, Why: "is a directory", Next: "name the files in it, like " + name + "/*.json"}
	case !stat.Mode().IsRegular():
		pipe, err := os.Open(name)
		if err != nil {
			return nil, cannotOpen(name, err)
		}
		defer pipe.Close()
		return spool(ctx, name, pipe, tempDir)
	}
	return &source{
		name: name, size: stat.Size(),
		open: func() (io.ReadSeekCloser, error) {
			f, err := os.Open(name)
			if err != nil {
				return nil, cannotOpen(name, err)
			}
			return f, nil
		},
		close: func() error { return nil },
	}, nil
}

func cannotOpen(name string, err error) error {
	e := &FileError{File: name, Why: "cannot be opened: " + err.Error(), Err: err}
	var path *fs.PathError
	if errors.As(err, &path) {
		e.Why = "cannot be opened: " + path.Err.Error()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Why, e.Next = "does not exist", "check the name"
	case errors.Is(err, fs.ErrPermission):
		e.Why, e.Next = "may not be read by this user", "change its permissions, or run as a user who may"
	}
	return e
}

// spool copies in into a temporary file that only this user can read. It holds people's addresses, so it loses its name at
// once where the operating system allows that: not even a crash leaves it behind.
func spool(ctx context.Context, name string, in io.Reader, tempDir string) (*source, error) {
	f, err := os.CreateTemp(tempDir, "tenure-import-*")
	if err != nil {
		return nil, &FileError{File: name, Why: "cannot be kept in a temporary file: " + err.Error(), Next: "set TMPDIR to a directory that can be written", Err: err}
	}
	unnamed := os.Remove(f.Name()) == nil
	s := &source{
		name: name,
		open: func() (io.ReadSeekCloser, error) {
			_, err := f.Seek(0, io.SeekStart)
			return keptOpen{f}, err
		},
		close: func() error {
			err := f.Close()
			if !unnamed {
				err = errors.Join(err, os.Remove(f.Name()))
			}
			return err
		},
	}
	if s.size, err = io.Copy(f, until(ctx, in)); err != nil {
		err = &FileError{File: name, Why: "cannot be copied into a temporary file: " + err.Error(), Next: "save it as a file, and name that", Err: err}
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// keptOpen is a file that stays open when a reading of it is over.
type keptOpen struct{ io.ReadSeeker }

// Close leaves it open.
func (k keptOpen) Close() error { return nil }

// readFunc is an io.Reader.
type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// until reads from in as long as ctx lasts, so that passing over something huge can be stopped.
func until(ctx context.Context, in io.Reader) io.Reader {
	return readFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return in.Read(p)
	})
}

// openAll finds all files and looks at each for what forbids to use it, before anything is taken from any. The error
// joins a *[FileError] for each that cannot be used.
func openAll(ctx context.Context, files []string, o *Options) ([]*source, error) {
	var sources []*source
	var faults []error
	for _, name := range files {
		s, err := openSource(ctx, name, o.Stdin, o.TempDir)
		if err == nil {
			sources = append(sources, s)
			err = s.inspect(ctx, o)
		}
		if ctx.Err() != nil {
			return sources, ctx.Err()
		}
		if err != nil {
			faults = append(faults, err)
		}
	}
	return sources, errors.Join(faults...)
}

// inspect looks at s for what forbids to use it.
func (s *source) inspect(ctx context.Context, o *Options) error {
	in, err := s.open()
	if err != nil {
		return err
	}
	defer in.Close()
	if s.shape, err = inspect(seekUntil{until(ctx, in), in}, o.Partial); err != nil {
		return inFile(s.name, err)
	}
	if s.shape != ShapeCSV {
		return nil
	}
	if o.Kind == Relationships {
		return &FileError{File: s.name, Why: "is a CSV", Next: "CSV is read for contacts only; give relationships as JSON or NDJSON"}
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return inFile(s.name, err)
	}
	_, err = newReader(s.name, in, s.shape) // the header
	return err
}

// seekUntil reads from one and seeks in the other, which lies below.
type seekUntil struct {
	io.Reader
	io.Seeker
}

func closeAll(sources []*source) error {
	var faults []error
	for _, s := range sources {
		if err := s.close(); err != nil {
			faults = append(faults, fmt.Errorf("%s: closing: %w", s.name, err))
		}
	}
	return errors.Join(faults...)
}

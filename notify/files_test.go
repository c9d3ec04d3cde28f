package notify

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

const fileOfWarning = "20270101T090000.000000Z-1042-7-1-warn-expiry.eml"

func written(t *testing.T, kind lifecycle.NoticeKind) lifecycle.Letter {
	t.Helper()
	l := letter(kind)
	var err error
	l.MessageID, l.Message, err = notifier(t).Render(l)
	require.NoError(t, err)
	return l
}

func TestFileIsWrittenAndWrittenAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	files, err := NewFiles(dir)
	require.NoError(t, err)
	l := written(t, lifecycle.KindWarnExpiry)

	for range 2 {
		require.NoError(t, files.Send(t.Context(), l))
		require.Equal(t, []string{fileOfWarning}, names(t, dir), "one file, and nothing temporary beside it")
		got, err := os.ReadFile(filepath.Join(dir, fileOfWarning))
		require.NoError(t, err)
		require.Equal(t, string(l.Message), string(got))
	}
	requireMode(t, dir, 0o700)
	requireMode(t, filepath.Join(dir, fileOfWarning), 0o600)
}

func TestFileThatIsInTheWayIsReplacedWhole(t *testing.T) {
	dir := t.TempDir()
	files, err := NewFiles(dir)
	require.NoError(t, err)
	path := filepath.Join(dir, fileOfWarning)
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("half a message from before the power cut", 10_000)), 0o644))

	l := written(t, lifecycle.KindWarnExpiry)
	require.NoError(t, files.Send(t.Context(), l))
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(l.Message), string(got))
	requireMode(t, path, 0o600)
}

func TestNobodyEverReadsHalfAFile(t *testing.T) {
	dir := t.TempDir()
	files, err := NewFiles(dir)
	require.NoError(t, err)
	l := written(t, lifecycle.KindWarnExpiry)
	require.NoError(t, files.Send(t.Context(), l))

	var writers sync.WaitGroup
	for range 2 { // a lease that ran out: two workers send the same letter
		writers.Go(func() {
			for range 20 {
				if err := files.Send(t.Context(), l); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for over := false; !over; {
		select {
		case <-done:
			over = true
		default:
		}
		got, err := os.ReadFile(filepath.Join(dir, fileOfWarning))
		require.NoError(t, err)
		require.Equal(t, len(l.Message), len(got))
	}
	require.Equal(t, []string{fileOfWarning}, names(t, dir))
}

func TestFileNamesSortByDueAndStayInTheFolder(t *testing.T) {
	dir := t.TempDir()
	files, err := NewFiles(dir)
	require.NoError(t, err)
	for _, change := range []func(l *lifecycle.Letter){
		func(l *lifecycle.Letter) { l.Due, l.Key = end.Add(time.Microsecond), 1 },
		func(l *lifecycle.Letter) { l.Due, l.Kind = end, "../../etc/passwd\x00" },
		func(l *lifecycle.Letter) { l.Due, l.Key = end.Add(time.Second), 0 },
	} {
		l := letter(lifecycle.KindTermEnded, change)
		l.Message = []byte("x")
		require.NoError(t, files.Send(t.Context(), l))
	}
	require.Equal(t, []string{
		"20270131T090000.000000Z-1042-7-1-------etc-passwd-.eml",
		"20270131T090000.000001Z-1-7-1-term-ended.eml",
		"20270131T090001.000000Z-0-7-1-term-ended.eml",
	}, names(t, dir))
}

func TestFolderThatWasRemovedIsMadeAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "notices")
	files, err := NewFiles(dir)
	require.NoError(t, err)
	require.NoError(t, os.Remove(dir))
	require.NoError(t, files.Send(t.Context(), written(t, lifecycle.KindWarnExpiry)))
	require.Equal(t, []string{fileOfWarning}, names(t, dir))
}

func TestFolderThatCannotBeWrittenToIsNoReasonToGiveUp(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"a file": func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(dir))
			require.NoError(t, os.WriteFile(dir, nil, 0o600))
		},
		"the name is taken by a folder": func(t *testing.T, dir string) {
			require.NoError(t, os.MkdirAll(filepath.Join(dir, fileOfWarning, "x"), 0o700))
		},
		"no permission": func(t *testing.T, dir string) {
			if os.Geteuid() == 0 {
				t.Skip("root may write everywhere")
			}
			require.NoError(t, os.Chmod(dir, 0o500))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "notices")
			files, err := NewFiles(dir)
			require.NoError(t, err)
			l := written(t, lifecycle.KindWarnExpiry)
			spoil(t, dir)

			err = files.Send(t.Context(), l)
			require.ErrorContains(t, err, "put notice 1042-7-1 into a file: ")
			require.ErrorContains(t, err, dir)
			require.ErrorContains(t, err, "see that the folder exists, has room and may be written to")
			require.NotErrorIs(t, err, lifecycle.ErrPermanent)
			if entries, err := os.ReadDir(dir); err == nil {
				for _, e := range entries {
					require.NotContains(t, e.Name(), ".tmp", "nothing is left behind")
				}
			}
		})
	}
}

func TestFolderMustBeOne(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := NewFiles(file)
	require.ErrorContains(t, err, "folder for notices: ")
	_, err = NewFiles("")
	require.ErrorContains(t, err, "none is given")
}

func TestNothingIsWrittenAfterTheEndOfTheContext(t *testing.T) {
	dir := t.TempDir()
	files, err := NewFiles(dir)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, files.Send(ctx, written(t, lifecycle.KindWarnExpiry)), context.Canceled)
	require.Empty(t, names(t, dir))
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func requireMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, want, info.Mode().Perm(), path)
}

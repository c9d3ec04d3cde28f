package testenv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Prometheus starts a Prometheus for this test alone, ends it with the test, and returns its address (http://127.0.0.1:port). files are
// what it reads, by name: prometheus.yaml is its configuration, and names the others.
func Prometheus(t testing.TB, files map[string]string) string {
	t.Helper()
	process, port, err := startPrometheus(files)
	if err != nil {
		t.Fatalf("testenv: start a Prometheus: %v\nNext: run scripts/test-deps to install it, or mend its configuration.", err)
	}
	t.Cleanup(func() {
		if err := process.end(); err != nil {
			t.Errorf("testenv: %v", err)
		}
	})
	return fmt.Sprintf("http://127.0.0.1:%d", port)
}

func startPrometheus(files map[string]string) (*process, int, error) {
	dir, err := makeDir("tenure-prometheus-", account{})
	if err != nil {
		return nil, 0, err
	}
	// The address is no part of the configuration, and the command line is fixed before the port is known: so it stands in a file.
	process, err := own("Prometheus", dir, "Server is ready to receive web requests", "KILL", account{}, "sh", "./run")
	if err != nil {
		return nil, 0, errors.Join(err, os.RemoveAll(dir))
	}
	port, err := process.startOnFreePort(func(port int) error {
		run := fmt.Sprintf("exec prometheus --config.file=prometheus.yaml --storage.tsdb.path=data --web.listen-address=127.0.0.1:%d "+
			"--enable-feature=exemplar-storage --log.level=info\n", port)
		faults := []error{os.WriteFile(filepath.Join(dir, "run"), []byte(run), 0o600)}
		for name, text := range files {
			faults = append(faults, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
		return errors.Join(faults...)
	})
	if err != nil {
		return nil, 0, errors.Join(err, process.end())
	}
	return process, port, nil
}

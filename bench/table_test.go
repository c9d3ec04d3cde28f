package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Where a table stands in a document: between these two lines.
const (
	tableBegin = "<!-- bench:begin -->"
	tableEnd   = "<!-- bench:end -->"
)

// A machine is what the figures were measured on.
type machine struct {
	Date       time.Time `json:"date"`
	Cores      int       `json:"cores"`
	Processor  string    `json:"processor"`
	Memory     string    `json:"memory"`
	Go         string    `json:"go"`
	PostgreSQL string    `json:"postgresql"`
	Redis      string    `json:"redis"`
	Disk       string    `json:"disk"` // file system that the database was on
	Durability string    `json:"durability"`
	Settings   []string  `json:"settings"` // of PostgreSQL, beside its defaults
	Records    int       `json:"records"`
	Due        int       `json:"due"`
	Rounds     int       `json:"rounds"`
}

// publish shows the table. If the run was sound, it also writes the figures to the file BENCH_JSON, and the table into the documents BENCH_TABLES,
// where those are named.
func (b *book) publish(sound bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.measurements) == 0 {
		return nil
	}
	here := thisMachine()
	table := here.text() + "\n\n" + markdown(b.measurements)
	fmt.Printf("\n%s\n", table)
	if !sound {
		return nil
	}
	if path := os.Getenv("BENCH_JSON"); path != "" {
		text, err := json.MarshalIndent(map[string]any{"machine": here, "measurements": b.measurements}, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	for _, path := range filepath.SplitList(os.Getenv("BENCH_TABLES")) {
		if err := placeTable(path, table); err != nil {
			return err
		}
	}
	return nil
}

// placeTable writes the table between its two lines in a document.
func placeTable(path, table string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), tableBegin)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !ok || !ended {
		return fmt.Errorf("%s has no lines %s and %s", path, tableBegin, tableEnd)
	}
	return os.WriteFile(path, []byte(before+tableBegin+"\n"+table+"\n"+tableEnd+after), 0o644)
}

// markdown shows what is not hidden.
func markdown(measurements []Measurement) string {
	var b strings.Builder
	b.WriteString("| | median | lowest – highest | ratio | asked for | reached |\n|---|---:|---:|---:|---:|:---:|")
	for i := range measurements {
		m := &measurements[i]
		if m.Hidden {
			continue
		}
		name, spread, ratio := m.Name, "", ""
		if m.Note != "" {
			name += " (" + m.Note + ")"
		}
		if m.Low != m.High {
			spread = figure(m.Low) + " – " + figure(m.High)
		}
		if m.Ratio != 0 {
			ratio = figure(m.Ratio) + " × " + m.To
		}
		if m.Inverse {
			ratio = m.To + " " + figure(m.Ratio) + " ×"
		}
		fmt.Fprintf(&b, "\n| %s | %s %s | %s | %s | %s | %s |", name, figure(m.Value), m.Unit, spread, ratio, m.targetText(), m.Verdict())
	}
	return b.String()
}

func (m *machine) text() string {
	return fmt.Sprintf("%s: %d cores (%s), %s of memory, %s; %s, %s, %s; %s. %s relationships, %s due, %d rounds.",
		m.Date.Format("2006-01-02"), m.Cores, m.Processor, m.Memory, m.Disk, m.PostgreSQL, m.Redis, m.Go, m.Durability,
		thousands(int64(m.Records)), thousands(int64(m.Due)), m.Rounds)
}

func thisMachine() *machine {
	m := &machine{Date: time.Now().UTC().Truncate(time.Second), Cores: runtime.NumCPU(), Go: strings.Replace(runtime.Version(), "go", "Go ", 1),
		Processor: field("/proc/cpuinfo", "model name"), Memory: field("/proc/meminfo", "MemTotal"), Durability: "fsync on",
		Settings: strings.Split(strings.TrimSpace(serverSettings), "\n"), Records: *records, Due: *dueRecords, Rounds: *rounds,
		PostgreSQL: program("/usr/lib/postgresql/*/bin/postgres", "postgres"), Redis: program("", "redis-server")}
	var kilobytes int64
	if _, err := fmt.Sscan(m.Memory, &kilobytes); err == nil {
		m.Memory = fmt.Sprintf("%d GiB", (kilobytes+1<<19)>>20)
	}
	if out, err := exec.Command("df", "--output=fstype", os.TempDir()).Output(); err == nil { //nolint:noctx // answers at once
		lines := strings.Fields(string(out))
		m.Disk = lines[len(lines)-1]
	}
	return m
}

// field is what a file of the kernel's says of something.
func field(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// program is the name and version that a program tells, found on the path, or else by a pattern.
func program(pattern, name string) string {
	if found, _ := filepath.Glob(pattern); len(found) > 0 {
		name = found[len(found)-1]
	}
	out, err := exec.Command(name, "--version").Output() //nolint:gosec,noctx // answers at once
	if err != nil {
		return "unknown"
	}
	words := strings.Fields(string(out))
	switch {
	case len(words) > 2 && words[1] == "(PostgreSQL)":
		return "PostgreSQL " + words[2]
	case len(words) > 2 && words[0] == "Redis":
		return "Redis " + strings.TrimPrefix(words[2], "v=")
	}
	return strings.Join(words, " ")
}

package main

import (
	"os"
	"os/user"
	"strconv"

	"github.com/tenure-dev/tenure/lifecycle"
)

// operator is who sits at this terminal, as far as the machine knows.
func operator() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return "cli:" + u.Username
	}
	return "cli:" + strconv.Itoa(os.Getuid())
}

// caller is the same as whoever asks for something.
func (a *app) caller() *lifecycle.Caller {
	return &lifecycle.Caller{Name: operator(), Role: lifecycle.Operator}
}

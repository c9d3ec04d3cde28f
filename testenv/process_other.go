//go:build !unix

package testenv

import "syscall"

// Where there is no sh and no Unix signal, servers cannot be started here, only named: own fails for want of sh, and
// the message tells which variable names a running server.
type account struct{}

func postgresAccount() (account, error)          { return account{}, nil }
func (account) attributes() *syscall.SysProcAttr { return nil }
func (account) give(string) error                { return nil }

//go:build unix && !linux

package pluginhost

import "syscall"

// processAttributes puts a child into a group of its own. Where there is no parent-death signal the plugin itself
// watches its standard input.
func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitExit leaves the waiting to the caller.
func awaitExit(int) {}

func forbidCoreDump(int) {}

func killGroup(pid int)      { _ = syscall.Kill(-pid, syscall.SIGKILL) }
func terminateGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGTERM) }

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// program is one of the two real programs: it is started, killed and started
// again as a unit or a server is.
type program struct {
	name string
	// command makes the next start's; line is called with each line that it
	// writes to the harness.
	command func() (*exec.Cmd, error)
	line    func(text string)
	log     *os.File

	mu    sync.Mutex
	cmd   *exec.Cmd
	up    chan struct{} // closed when the process has said something
	gone  chan struct{} // closed when the process and all of its lines are
	state *os.ProcessState
}

// start starts a process; extra is added to its environment.
func (p *program) start(extra ...string) error {
	cmd, err := p.command()
	if err != nil {
		return err
	}
	cmd.Env = append(cmd.Env, extra...)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	// Signals of a terminal are the harness's alone; no process outlives it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd.ExtraFiles = []*os.File{write}
	if _, err := fmt.Fprintf(p.log, "--- %s is started %v\n", p.name, extra); err != nil {
		return err
	}
	err = cmd.Start()
	if err = errors.Join(err, write.Close()); err != nil {
		return errors.Join(err, read.Close())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd, p.up, p.gone = cmd, make(chan struct{}), make(chan struct{})
	go p.follow(cmd, read, p.up, p.gone)
	return nil
}

// follow reads what the process says until it is gone.
func (p *program) follow(cmd *exec.Cmd, from io.ReadCloser, up, gone chan struct{}) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if !closed(up) {
			close(up)
		}
		p.line(lines.Text())
	}
	_ = from.Close()
	_ = cmd.Wait() // its state says it
	p.mu.Lock()
	p.state = cmd.ProcessState
	p.mu.Unlock()
	close(gone)
}

// awaitUp waits until the process works, is gone, or ctx or patience ends.
func (p *program) awaitUp(ctx context.Context, patience time.Duration) {
	p.mu.Lock()
	up, gone := p.up, p.gone
	p.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-up:
	case <-gone:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// awaitGone waits until the process has ended, or ctx or patience.
func (p *program) awaitGone(ctx context.Context, patience time.Duration) (*os.ProcessState, bool) {
	p.mu.Lock()
	gone := p.gone
	p.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-gone:
		return p.state, true
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil, false
}

// ended is how the process ended, or nil while it has not.
func (p *program) ended() *os.ProcessState {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !closed(p.gone) {
		return nil
	}
	return p.state
}

// end sends a signal and waits; killed first where it takes too long. It reports
// whether there was a process, and how it ended.
func (p *program) end(signal syscall.Signal, patience time.Duration) (bool, *os.ProcessState) {
	p.mu.Lock()
	cmd, gone := p.cmd, p.gone
	was := gone != nil && !closed(gone)
	p.mu.Unlock()
	if gone == nil {
		return false, nil
	}
	if was {
		_ = cmd.Process.Signal(signal) // it may be gone already
	}
	select {
	case <-gone:
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		<-gone
	}
	return was, p.state
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// killed reports whether a process ended by SIGKILL.
func killed(s *os.ProcessState) bool {
	status, ok := s.Sys().(syscall.WaitStatus)
	return ok && status.Signal() == syscall.SIGKILL
}

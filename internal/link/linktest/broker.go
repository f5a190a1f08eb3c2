package linktest

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"nrd/internal/identity"
)

// Broker is a broker that runs as a process.
type Broker struct {
	// Address is host:port, the same after a restart.
	Address string
	// Shared says that centrals may share a subscription.
	Shared bool

	t       testing.TB
	command func() *exec.Cmd
	process *exec.Cmd
	log     *os.File
}

// start starts the process and waits until it listens.
func (b *Broker) start() {
	b.t.Helper()
	b.process = b.command()
	b.process.Stdout, b.process.Stderr = b.log, b.log
	// A test that is killed leaves no broker behind.
	b.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := b.process.Start(); err != nil {
		b.t.Fatalf("the broker is needed for this test (make deps-test installs it): %v", err)
	}
	Eventually(b.t, "the broker listens (its log: "+b.log.Name()+")", func() bool {
		conn, err := net.Dial("tcp", b.Address)
		return err == nil && conn.Close() == nil
	})
}

// kill ends it at once, with what it has started.
func (b *Broker) kill() {
	if err := syscall.Kill(-b.process.Process.Pid, syscall.SIGKILL); err != nil {
		b.t.Error(err)
	}
	_ = b.process.Wait() // it was killed
}

// Restart kills the broker, with all that it holds in memory, and starts it
// again.
func (b *Broker) Restart() {
	b.t.Helper()
	b.kill()
	b.start()
}

func run(t testing.TB, dir string, b *Broker) *Broker {
	t.Helper()
	var err error
	if b.log, err = os.Create(filepath.Join(dir, "broker.log")); err != nil {
		t.Fatal(err)
	}
	b.t = t
	b.start()
	t.Cleanup(func() {
		b.kill()
		if text, err := os.ReadFile(b.log.Name()); err == nil && t.Failed() {
			t.Logf("the broker's log:\n%s", text[max(0, len(text)-8000):])
		}
		if err := b.log.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// Reload makes mosquitto read its certificates and its list of revoked ones again.
func (b *Broker) Reload() {
	b.t.Helper()
	if err := b.process.Process.Signal(syscall.SIGHUP); err != nil {
		b.t.Fatal(err)
	}
}

// packaged reads a file of the folder packaging and replaces what stands in it.
func packaged(t testing.TB, name string, replace ...string) string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(strings.TrimSpace(string(root))), "packaging", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(replace...).Replace(string(text))
}

// Mosquitto starts mosquitto for a site.
func Mosquitto(t testing.TB, site *Site) *Broker {
	t.Helper()
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		program = "/usr/sbin/mosquitto"
	}
	dir, port := t.TempDir(), freePort(t)
	config := packaged(t, "mosquitto/nrd.conf",
		"listener 8883", fmt.Sprintf("listener %d 127.0.0.1", port),
		"/etc/mosquitto/nrd/acl", filepath.Join(dir, "acl"), "/etc/mosquitto/nrd", site.Dir)
	// As root it would change to a user who cannot read the test's files.
	write(t, filepath.Join(dir, "conf"), config+"user root\n")
	write(t, filepath.Join(dir, "acl"), packaged(t, "mosquitto/acl"))
	return run(t, dir, &Broker{
		Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Shared: true,
		command: func() *exec.Cmd { return exec.Command(program, "-c", filepath.Join(dir, "conf")) },
	})
}

// RabbitMQ starts RabbitMQ with its MQTT plugin for a site, with rights for
// central and the devices.
func RabbitMQ(t testing.TB, site *Site, devices ...string) *Broker {
	t.Helper()
	dir, port, dist, epmd := t.TempDir(), freePort(t), freePort(t), freePort(t)
	file := func(name string) string { return filepath.Join(dir, name) }
	config := packaged(t, "rabbitmq/rabbitmq.conf",
		"ssl.default = 8883", fmt.Sprintf("ssl.default = 127.0.0.1:%d", port), "/etc/rabbitmq/nrd", site.Dir)
	write(t, file("rabbitmq.conf"), config+"log.console = true\nlog.file = false\nload_definitions = "+file("rights.json")+"\n")
	write(t, file("enabled_plugins"), "[rabbitmq_mqtt].\n")
	write(t, file("rights.json"), rights(t, append(devices, identity.Central)))
	environment := append(os.Environ(),
		"HOME="+dir, "RABBITMQ_NODENAME=nrd"+strconv.Itoa(port)+"@localhost", "RABBITMQ_DIST_PORT="+strconv.Itoa(dist),
		"ERL_EPMD_PORT="+strconv.Itoa(epmd), "ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_CONFIG_FILE="+file("rabbitmq.conf"), "RABBITMQ_ENABLED_PLUGINS_FILE="+file("enabled_plugins"),
		"RABBITMQ_MNESIA_BASE="+file("data"), "RABBITMQ_LOG_BASE="+file("log"), "RABBITMQ_PID_FILE="+file("pid"),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 2 +sbwt none +sbwtdcpu none +sbwtdio none",
		"RABBITMQ_FEATURE_FLAGS_FILE="+file("features"), "RABBITMQ_CONF_ENV_FILE="+file("none"),
	)
	// Erlang's port mapper would outlive the test if the broker started it.
	mapper := exec.Command("epmd", "-port", strconv.Itoa(epmd), "-address", "127.0.0.1")
	mapper.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := mapper.Start(); err != nil {
		t.Fatalf("RabbitMQ is needed for this test (make deps-test installs it): %v", err)
	}
	t.Cleanup(func() {
		if err := mapper.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = mapper.Wait() // it was killed
	})
	return run(t, dir, &Broker{
		Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		command: func() *exec.Cmd {
			cmd := exec.Command("/usr/lib/rabbitmq/bin/rabbitmq-server")
			cmd.Env = environment
			return cmd
		},
	})
}

// rights are what packaging/rabbitmq/add-device gives, as a file that RabbitMQ
// reads when it starts: each of the script's commands takes it seconds.
func rights(t testing.TB, names []string) string {
	t.Helper()
	var users, permissions, topics []map[string]any
	for _, name := range names {
		user, permission, topic := map[string]any{"name": name, "tags": ""}, map[string]any{"user": name, "vhost": "/"}, map[string]any{"user": name, "vhost": "/", "exchange": "amq.topic"}
		out, err := addDevice(t, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range out {
			switch line[0] {
			case "add_user":
				user["password_hash"], user["hashing_algorithm"] = "", "rabbit_password_hashing_sha256"
			case "set_permissions":
				permission["configure"], permission["write"], permission["read"] = line[2], line[3], line[4]
			case "set_topic_permissions":
				topic["write"], topic["read"] = line[3], line[4]
			}
		}
		users, permissions, topics = append(users, user), append(permissions, permission), append(topics, topic)
	}
	text, err := json.Marshal(map[string]any{
		"vhosts": []map[string]any{{"name": "/"}}, "users": users, "permissions": permissions, "topic_permissions": topics,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// addDevice runs the packaged script with a rabbitmqctl that only prints its
// arguments, so that what is tested are the script's own expressions.
func addDevice(t testing.TB, name string) ([][]string, error) {
	t.Helper()
	dir := t.TempDir()
	calls := filepath.Join(dir, "calls")
	fake := "#!/bin/sh\nfor a in \"$@\"; do printf '%s\\037' \"$a\"; done >>" + calls + "\necho >>" + calls + "\n"
	if err := os.WriteFile(filepath.Join(dir, "rabbitmqctl"), []byte(fake), 0o700); err != nil { //nolint:gosec // it is run
		return nil, err
	}
	write(t, filepath.Join(dir, "add-device"), packaged(t, "rabbitmq/add-device"))
	cmd := exec.Command("sh", filepath.Join(dir, "add-device"), name)
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	text, err := os.ReadFile(calls)
	if err != nil {
		return nil, err
	}
	var lines [][]string
	for line := range strings.Lines(string(text)) {
		lines = append(lines, strings.Split(strings.TrimSuffix(strings.TrimSpace(line), "\037"), "\037"))
	}
	return lines, nil
}

package uplink

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"nrd/internal/sealed"
)

// appendForever is the program that the test kills: it appends from several
// goroutines and prints each key after Append has returned it.
func appendForever(dir string) {
	raw, err := hex.DecodeString(os.Getenv("UPLINK_TEST_KEY"))
	if err != nil {
		panic(err)
	}
	key, err := sealed.ParseKey(raw)
	if err != nil {
		panic(err)
	}
	c := newClock()
	b, err := OpenBuffer(BufferConfig{
		Dir: dir, Device: "car-7", Key: key, MaxBytes: 1 << 30, Clock: c,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		panic(err)
	}
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			for {
				r := read(c, "READ")
				if n == 0 {
					r = hit(c, "HIT")
				}
				key, err := b.Append(r)
				if err != nil {
					panic(err)
				}
				fmt.Println(key)
			}
		})
	}
	all.Wait()
}

func TestWhatAppendReturnedSurvivesAKill(t *testing.T) {
	c := config(t)
	promised := map[string]bool{}
	var unique int
	for round := range 6 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "UPLINK_TEST_APPEND_FOREVER="+c.Dir, "UPLINK_TEST_KEY="+hex.EncodeToString(c.Key.Bytes()))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		enough := 5 + rand.IntN(60)
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if promised[lines.Text()] {
				t.Errorf("round %d: the key %s was given out twice", round, lines.Text())
			}
			promised[lines.Text()] = true
			unique++
			if n == enough {
				time.AfterFunc(time.Duration(rand.IntN(5000))*time.Microsecond, func() {
					if err := cmd.Process.Kill(); err != nil {
						t.Error(err)
					}
				})
			}
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("the program was not killed but ended: %v", err)
		}
	}
	b := open(t, c)
	parts := map[string]int{}
	for _, i := range queue(t, b) {
		key := b.keyOf(i.id).String()
		parts[key]++
		if i.id.part == partRecord && recordOf(t, i).Key.String() != key {
			t.Errorf("%s holds the record %v", key, recordOf(t, i).Key)
		}
	}
	for key := range promised {
		if parts[key] != 3 {
			t.Errorf("of %s only %d of 3 parts are there", key, parts[key])
		}
	}
	t.Logf("%d keys were promised, %d are there", unique, len(parts))
}

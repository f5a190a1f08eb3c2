package ingest

import (
	"net"
	"strings"
	"testing"
	"time"
)

func TestRefusalsAreCountedAndFewOfThemAreWarnings(t *testing.T) {
	c := start(t).run(t)
	refuse := func(n int) {
		t.Helper()
		before := c.Counts().Refused
		for range n {
			s, err := net.Dial("tcp", c.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
			defer s.Close() //nolint:errcheck // ended by the other side already, or not
		}
		eventually(t, "they are refused", func() bool { return c.Counts().Refused == before+uint64(n) })
	}
	warnings := func() int { return strings.Count(c.log.String(), `level=WARN msg="a connection was refused"`) }
	refuse(20)
	eventually(t, "all are told as details", func() bool { return strings.Count(c.log.String(), "a connection was refused") == 20 })
	if n := warnings(); n != 1 {
		t.Errorf("%d warnings of twenty strangers, want 1", n)
	}
	c.clock.Advance(tellEvery + time.Second)
	refuse(1)
	eventually(t, "the next says how many there were", func() bool { return warnings() == 2 && strings.Contains(c.log.String(), `"others before"=19`) })
}

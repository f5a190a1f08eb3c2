package lists

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"nrd"
	"nrd/collector/access"
	"nrd/hotlist/voi"
)

// million is as many entries as the national list of wanted vehicles has.
const million = 1_000_000

// mark gives the n-th of some eight million different marks.
func mark(n int) nrd.VRM {
	const first, last = "ABCDEFGHJKLMNOPRSTUVWXY", "ABCDEFGHJKLMNOPRSTUVWXYZ"
	pick := func(from string) byte {
		c := from[n%len(from)]
		n /= len(from)
		return c
	}
	a, b, c, d := pick(first), pick(first), pick(last), pick(last)
	return nrd.VRM(fmt.Sprintf("%c%c%02d%c%cA", a, b, n%25+2, c, d))
}

func writeMillion(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	for n := range million {
		fmt.Fprintf(w, "%s,VOLKSWAGEN,TRANSPORTER,DARK BLUE,High,WE VI,Wanted for burglary in several counties,B21,Stop and detain; do not approach alone,Example Constabulary E3,2027-06-30,26/%07d,OFFICIAL-SENSITIVE,Incident %d of 23 November,Two occupants seen,N%08d\r\n", mark(n), n, n%9973, n)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// BenchmarkMatch measures matches in a list of a million. What it costs to take the
// list and to publish it is measured in package collector.
func BenchmarkMatch(b *testing.B) {
	s := newBenchSite(b)
	path := filepath.Join(b.TempDir(), "NAT_WANTED_R.dat")
	if err := writeMillion(path); err != nil {
		b.Fatal(err)
	}
	f, err := voi.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	list, err := s.Store.List(b.Context(), "national")
	if err != nil {
		b.Fatal(err)
	}
	i, err := s.load(b.Context(), list, f, byInbox)
	if err != nil || i.Entries != million {
		b.Fatal(i.State, i.Why, i.Entries, err)
	}
	for name, v := range map[string]func(n int) nrd.VRM{"hit": mark, "miss": func(n int) nrd.VRM { return mark(n%million) + "X" }} {
		b.Run(name, func(b *testing.B) {
			now, n := s.Clock.Stamp(), 0
			for b.Loop() {
				n = (n + 7919) % million
				if hits := s.matched(v(n), now, nil); (len(hits) == 1) != (name == "hit") {
					b.Fatal(v(n), hits)
				}
			}
		})
	}
}

func newBenchSite(b *testing.B) *Lists {
	b.Helper()
	s := newSite(b)
	if err := s.Create(b.Context(), access.By{Account: "jane.doe"}, NewList{Name: "national", Source: "NAT_WANTED", Every: 8 * time.Hour, Owner: "X", Purpose: "response"}); err != nil {
		b.Fatal(err)
	}
	return s.Lists
}

package sqlite

import (
	"path/filepath"
	"strings"
	"testing"

	"nrd/internal/sealed"
)

func TestADatabaseOfAnEarlierFormatIsBroughtUpToDate(t *testing.T) {
	for name, schema := range map[string][]string{"site": siteSchema, "day": daySchema} {
		t.Run(name, func(t *testing.T) {
			path, key := filepath.Join(t.TempDir(), "db"), sealed.NewKey()
			var want, got string
			for format := 1; format <= len(schema); format++ {
				db, err := openDatabase(path, key, schema[:format])
				if err != nil {
					t.Fatalf("format %d: %v", format, err)
				}
				if err := db.QueryRow(`SELECT group_concat(sql ORDER BY name) FROM sqlite_schema`).Scan(&got); err != nil {
					t.Fatal(err)
				}
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
			}
			fresh, err := openDatabase(path+" fresh", key, schema)
			if err != nil {
				t.Fatal(err)
			}
			defer fresh.Close() //nolint:errcheck // it is only read
			if err := fresh.QueryRow(`SELECT group_concat(sql ORDER BY name) FROM sqlite_schema`).Scan(&want); err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("step by step it has\n%s\nat once\n%s", got, want)
			}
			if _, err := openDatabase(path, key, schema[:1]); err == nil || !strings.Contains(err.Error(), "this program knows 1") {
				t.Errorf("an older program opens it: %v", err)
			}
		})
	}
}
